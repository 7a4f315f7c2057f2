"""What the request modal holds, and how it is read back from a Slack view: the fields, their ids and the parser.

A view is read by action id, never by position, so that half-filled and reshaped forms are read alike. What the present shape of the
form does not show (the new cluster's name while "Existing Cluster" is chosen) travels in `private_metadata`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from engine.model import AutoId, OnConflict

OPTION_VALUE_MAX = 150
OPTIONS_MAX = 100
"""How many options Slack takes in a list, and as chosen in a form."""
METADATA_MAX = 2_900


class Field(StrEnum):
    """The fields by their action ids."""

    SOURCE = "ferry_source"
    SOURCE_DATABASE = "ferry_source_database"
    DESTINATION = "ferry_destination"
    TARGET = "ferry_target"
    NEW_CLUSTER_NAME = "ferry_new_cluster_name"
    TARGET_DATABASE = "ferry_target_database"
    MIGRATION_TYPE = "ferry_migration_type"
    COLLECTIONS = "ferry_collections"
    AUTO_ID = "ferry_auto_id"
    ON_CONFLICT = "ferry_on_conflict"
    START = "ferry_start"
    START_AT = "ferry_start_at"
    THROTTLE = "ferry_throttle"
    CHECK_SOURCE = "ferry_check_source"
    TICKET = "ferry_ticket"
    REASON = "ferry_reason"


EXTERNAL_SELECTS = (Field.SOURCE, Field.SOURCE_DATABASE, Field.TARGET, Field.COLLECTIONS)
"""The fields whose options the listeners answer."""

RESHAPES = (
    Field.SOURCE,
    Field.SOURCE_DATABASE,
    Field.COLLECTIONS,
    Field.DESTINATION,
    Field.TARGET,
    Field.ON_CONFLICT,
    Field.START,
)
"""The fields after which the view is to be built again from `parse(view)`."""


def _is_ticked(given: Any) -> bool:
    """Slack tells a box by the options that are ticked."""
    return bool(given)


class RequestForm(BaseModel):
    """The request as far as it is filled in.

    Attributes:
        source: The source cluster's name.
        destination: Whether `target` (an existing cluster) or `new_cluster_name` says where to.
        collections: The chosen collections; empty means all. Names too long for an option are stand-ins, see `real_names`.
        auto_id: What becomes of keys that the source made; it counts only where `keys` says that there is a choice.
        keys: Whether chosen collections have keys that the target cannot both keep and go on making.
        start_at: When to start (seconds since the epoch), where `start` says that it starts at a time.
        zone: The time zone of the person who fills it in, as Slack tells it; "" while nobody asked.
        throttle: As it was typed (`bot/throttles.py` reads it).
        unanswered: The source did not say its databases when the form was drawn.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str = ""
    source_database: str = ""
    destination: Literal["existing", "new"] = "existing"
    target: str = ""
    new_cluster_name: str = ""
    target_database: str = ""
    migration_type: Literal["offline"] = "offline"
    collections: tuple[str, ...] = ()
    auto_id: AutoId = AutoId.KEEP
    keys: bool = False
    on_conflict: OnConflict = OnConflict.FAIL
    start: Literal["now", "at"] = "now"
    start_at: int | None = None
    zone: str = ""
    throttle: str = ""
    check_source: Annotated[bool, BeforeValidator(_is_ticked)] = False
    ticket: str = ""
    reason: str = ""
    unanswered: bool = False


_NAMES: dict[Field, str] = {field: field.value.removeprefix("ferry_") for field in Field}


def block_id(field: Field, form: RequestForm) -> str:
    """The block id of a field.

    It stays the same while what was typed there still means the same: Slack keeps an input's value over `views.update` exactly as
    long as block and action id stay. Database and collections belong to a source, so they start afresh with another one, and the
    database also when a source that was silent has answered.
    """
    if field is Field.SOURCE_DATABASE:
        return f"{field.value}:{_digest(form.source, *(['unanswered'] if form.unanswered else []))}"
    if field is Field.COLLECTIONS:
        return f"{field.value}:{_digest(form.source, form.source_database)}"
    return field.value


def error_blocks(view: Mapping[str, Any], errors: Mapping[Field, str]) -> dict[str, str]:
    """Errors by field as `response_action: errors` wants them: by the block ids of the view that was submitted.

    An error at a field that the view does not show goes to the first input, because Slack refuses unknown block ids.
    """
    inputs = [block for block in view.get("blocks", ()) if block.get("type") == "input"]
    by_action = {block.get("element", {}).get("action_id"): block["block_id"] for block in inputs}
    first = inputs[0]["block_id"] if inputs else ""
    return {by_action.get(field.value, first): text for field, text in errors.items()}


def option_value(name: str) -> str:
    """A name as an option's value: itself, or a stand-in when it is longer than Slack's 150 characters."""
    if len(name) <= OPTION_VALUE_MAX:
        return name
    return f"{name[:80]}…#{_digest(name)}"


def real_names(values: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The names behind option values, sorted; a value that belongs to none of `names` stays as it is."""
    known = {option_value(name): name for name in names}
    return tuple(sorted(known.get(value, value) for value in values))


def hidden(form: RequestForm) -> str:
    """`private_metadata` of the form itself: all but the two long fields, which it always shows."""
    return _json(form, {"collections", "reason"}) or "{}"


def kept(form: RequestForm) -> str:
    """`private_metadata` of a view from which a way leads back to the form: all of it, or "" where not all comes back.

    A form without its collections would ask for all of them, so none is better than a part.
    """
    return _json(form, set()) if len(form.collections) <= OPTIONS_MAX else ""


def _json(form: RequestForm, left_out: set[str]) -> str:
    text = form.model_dump_json(exclude=left_out, exclude_defaults=True)
    return text if len(text) <= METADATA_MAX else ""


def parse(view: Mapping[str, Any]) -> RequestForm:
    """The form of a view as Slack sends it with actions, options requests and submissions; missing answers stay empty."""
    values = _carried(view)
    shown = {_NAMES[field] for field in Field if _shows(view, field)}
    for name in shown:
        values.pop(name, None)
    values |= _typed(view)
    return _tolerant(values)


def _carried(view: Mapping[str, Any]) -> dict[str, Any]:
    try:
        carried = json.loads(view.get("private_metadata") or "{}")
    except json.JSONDecodeError:
        return {}
    return carried if isinstance(carried, dict) else {}


def _shows(view: Mapping[str, Any], field: Field) -> bool:
    elements = (block.get("element") or {} for block in view.get("blocks", ()))
    return any(element.get("action_id") == field.value for element in elements)


def _typed(view: Mapping[str, Any]) -> dict[str, Any]:
    state = (view.get("state") or {}).get("values") or {}
    answers = {action: a for block in state.values() for action, a in block.items()}
    read = {_NAMES[field]: _answer(answers.get(field.value)) for field in Field}
    return {name: value for name, value in read.items() if value is not None}


def _answer(answer: Mapping[str, Any] | None) -> str | int | list[str] | None:
    """What an element was answered with; None when it was left empty."""
    if not answer:
        return None
    if answer.get("selected_options") is not None:
        return [option["value"] for option in answer["selected_options"]]
    if answer.get("selected_option"):
        return str(answer["selected_option"]["value"])
    if answer.get("selected_date_time") is not None:
        return int(answer["selected_date_time"])
    value = answer.get("value")
    return None if value is None else str(value)


def _tolerant(values: dict[str, Any]) -> RequestForm:
    """The form without the values that no field can hold: a view of an older version must not break a click."""
    try:
        return RequestForm.model_validate(values)
    except ValidationError as error:
        wrong = {entry["loc"][0] for entry in error.errors(include_input=False) if entry["loc"]}
        return RequestForm.model_validate({k: v for k, v in values.items() if k not in wrong})


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
