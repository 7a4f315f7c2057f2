"""The modal "Migrate a database": the form in the seed document's order, and the views that follow a submission.

It is rebuilt whole from the form whenever a choice changes its shape. It reads no configuration and no cluster: names, databases
and collections are answered by the listeners behind the external selects.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from bot.views import message as m
from bot.views import text as t
from bot.views.request_form import (
    Field,
    RequestForm,
    block_id,
    error_blocks,
    metadata,
    option_value,
    parse,
    real_names,
)
from engine.model import ErrorText, OnConflict

__all__ = [
    "BACK",
    "CALLBACK_ID",
    "EXTERNAL_SELECTS",
    "RESHAPES",
    "Field",
    "RequestForm",
    "build",
    "error_blocks",
    "failed",
    "option",
    "option_value",
    "options",
    "parse",
    "real_names",
    "sent",
    "working",
]

View: TypeAlias = dict[str, Any]

CALLBACK_ID = "ferry_request"
BACK = "ferry_back_to_form"
"""The button of the failed view that leads back to the form, which its `private_metadata` carries."""

EXTERNAL_SELECTS = (Field.SOURCE, Field.SOURCE_DATABASE, Field.TARGET, Field.COLLECTIONS)
"""The action ids whose options the listeners answer."""

RESHAPES = (Field.SOURCE, Field.SOURCE_DATABASE, Field.DESTINATION, Field.TARGET)
"""The action ids after which the view is to be built again from `parse(view)`."""

TITLE = "Migrate a database"
OPTIONS_MAX = 100
REASON_MAX = 1_000
NAME_MAX = 48

_DESTINATIONS = (
    ("existing", "Existing Cluster", "A cluster that Ferry knows"),
    ("new", "New Cluster", "A new cluster is made for this migration"),
)
_TYPES = (("offline", "Offline Migration", "Writes to the source are paused while it runs"),)
_CONFLICTS = (
    (OnConflict.FAIL, "Stop", "Nothing on the target is changed; the plan says what is in the way"),
    (OnConflict.REPLACE, "Replace", "DELETES the target's collection and all its data first"),
)


def build(
    form: RequestForm,
    *,
    clusters: Sequence[str],
    warning: str | None = None,
    problem: ErrorText | str = "",
    new_clusters: bool = True,
) -> View:
    """The form.

    Args:
        form: What is filled in; it stays, whatever the new shape is.
        clusters: The names of the configured clusters; without any the form says so and cannot be sent.
        warning: The chosen target's warning text.
        problem: Why the form came back, shown at its top.
        new_clusters: Whether a new cluster may be chosen as the target.
    """
    if not clusters:
        return _view([m.section(_NO_CLUSTERS)], close="Close")
    blocks = [
        _problem(problem),
        *_source(form),
        *_target(form, warning, new_clusters=new_clusters),
        _migration_type(form),
        _collections(form),
        _on_conflict(form),
        _reason(form),
    ]
    return _view(blocks, submit="Request migration", close="Close", form=form)


_NO_CLUSTERS = (
    "*No cluster is configured yet.* Nothing can be migrated, and nothing was changed. "
    "Ask whoever keeps Ferry's configuration to add clusters to `ferry.yml`, then type `/migrate` again."
)


def working(form: RequestForm | None = None) -> View:
    """What stands there while the request is checked."""
    said = (
        ":hourglass_flowing_sand: *Checking the request.* Both clusters are asked whether they answer. "
        "Nothing is written. You may close this window; the answer comes all the same."
    )
    return _view([m.section(said)], close="Close", form=form)


def failed(message: ErrorText | str, form: RequestForm | None = None) -> View:
    """Why the request was not made; with the form given, a button leads back to it."""
    back = m.button("Back to the form", BACK, "back", style="primary")
    foot = m.actions(back) if form else None
    return _view([_problem(message), foot], close="Close", form=form)


def sent(migration_id: str, channel_id: str = "") -> View:
    """What stands there once the request is made: its name, and where it goes on."""
    where = f"<#{channel_id}>" if channel_id else "the approvals channel"
    said = (
        f":white_check_mark: *Requested* as {t.code(migration_id)}. The plan is being made; it is posted in {where} "
        "for approval. Nothing is written before somebody else has approved it."
    )
    return _view([m.section(said)], close="Done")


def option(name: str) -> m.Block:
    """A name as an option: shortened in the middle to what Slack takes, told apart by its value."""
    shown = t.shorten_middle(t.visible(name), 75)
    return {"text": m.plain(shown, 75), "value": option_value(name)}


def options(names: Sequence[str], typed: str = "") -> list[m.Block]:
    """The answer to an options request: the names that hold what was typed, at most 100, those that begin with it first."""
    wanted = typed.strip().casefold()
    fitting = [name for name in names if name and wanted in name.casefold()]
    fitting.sort(key=lambda name: not name.casefold().startswith(wanted))
    return [option(name) for name in fitting[:OPTIONS_MAX]]


def _view(
    blocks: Sequence[m.Block | None],
    *,
    close: str,
    submit: str = "",
    form: RequestForm | None = None,
) -> View:
    view: View = {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "title": m.plain(TITLE, 24),
        "close": m.plain(close, 24),
        "blocks": [block for block in blocks if block],
        "private_metadata": metadata(form) if form else "",
    }
    return view | {"submit": m.plain(submit, 24)} if submit else view


def _problem(problem: ErrorText | str) -> m.Block | None:
    if not problem:
        return None
    given = problem if isinstance(problem, ErrorText) else ErrorText(code="", message=problem)
    parts = {
        "What happened": t.sentence(t.clip(t.prose(given.message), 1_200)),
        "The data": t.sentence(t.clip(t.prose(given.state), 700)) or "Nothing was changed.",
        "What to do": t.sentence(t.clip(t.prose(given.next_step), 700)),
    }
    lines = [f"*{label}:* {said}" for label, said in parts.items() if said]
    return m.section("\n".join((":x: *FAILED*", *lines)))


def _input(
    field: Field,
    form: RequestForm,
    label: str,
    element: m.Block,
    *,
    hint: str = "",
    optional: bool = False,
) -> m.Block:
    block: m.Block = {
        "type": "input",
        "block_id": block_id(field, form),
        "label": m.plain(label, 100),
        "element": {"action_id": field.value} | element,
        "optional": optional,
    }
    if field in RESHAPES:
        block["dispatch_action"] = True
    return block | {"hint": m.plain(hint, 300)} if hint else block


def _source(form: RequestForm) -> tuple[m.Block, ...]:
    cluster = _select(form.source, "Choose a cluster")
    database = _select(form.source_database, "Choose a database")
    return (
        _input(
            Field.SOURCE, form, "Source cluster", cluster, hint="It is only read, never written to."
        ),
        _input(Field.SOURCE_DATABASE, form, "Source database", database),
    )


def _target(
    form: RequestForm, warning: str | None, *, new_clusters: bool
) -> tuple[m.Block | None, ...]:
    choices = _DESTINATIONS if new_clusters else _DESTINATIONS[:1]
    new = form.destination == "new" and new_clusters
    destination = _radio(choices, "new" if new else "existing")
    return (
        m.divider(),
        _input(Field.DESTINATION, form, "Migrate to", destination),
        _new_cluster(form) if new else _existing_cluster(form),
        _warning(form, warning),
        _target_database(form),
        m.divider(),
    )


def _existing_cluster(form: RequestForm) -> m.Block:
    element = _select(form.target, "Choose a cluster")
    return _input(Field.TARGET, form, "Target cluster", element, hint="It is written to.")


def _new_cluster(form: RequestForm) -> m.Block:
    element = _text(form.new_cluster_name, "e.g. search-2027", most=NAME_MAX)
    hint = "Up to 48 letters, digits, dots, dashes and underscores."
    return _input(Field.NEW_CLUSTER_NAME, form, "New cluster name", element, hint=hint)


def _warning(form: RequestForm, warning: str | None) -> m.Block | None:
    if not (warning and warning.strip()):
        return None
    name = form.new_cluster_name if form.destination == "new" else form.target
    where = f"for {t.code(name, 72)}" if name else "for new clusters"
    return m.section(f":warning: *Warning {where}:* {t.clip(t.prose(warning), 1_500)}")


def _target_database(form: RequestForm) -> m.Block:
    element = _text(form.target_database, "the same name as the source database", most=255)
    hint = "Left empty, it is the source database's name."
    return _input(Field.TARGET_DATABASE, form, "Target database", element, hint=hint, optional=True)


def _migration_type(form: RequestForm) -> m.Block:
    hint = (
        "Writes to the source must be paused before it starts, until the verification has ended. "
        "Ferry does not pause them."
    )
    element = _radio(_TYPES, form.migration_type)
    return _input(Field.MIGRATION_TYPE, form, "Migration Type", element, hint=hint)


def _collections(form: RequestForm) -> m.Block:
    element: m.Block = {
        "type": "multi_external_select",
        "placeholder": m.plain("All collections", 150),
        "min_query_length": 0,
    }
    if form.collections:
        element["initial_options"] = [option(name) for name in form.collections[:OPTIONS_MAX]]
    hint = "Left empty, all collections of the source database are migrated."
    return _input(Field.COLLECTIONS, form, "Collections", element, hint=hint, optional=True)


def _on_conflict(form: RequestForm) -> m.Block:
    hint = "When the target already has a collection of the same name. Whoever approves sees what would be deleted."
    element = _radio(_CONFLICTS, form.on_conflict)
    return _input(Field.ON_CONFLICT, form, "On conflict", element, hint=hint)


def _reason(form: RequestForm) -> m.Block:
    element = _text(form.reason, "Why, and a ticket if there is one", most=REASON_MAX)
    hint = "Whoever approves reads it."
    return _input(Field.REASON, form, "Reason", element | {"multiline": True}, hint=hint)


def _select(chosen: str, placeholder: str) -> m.Block:
    element: m.Block = {
        "type": "external_select",
        "placeholder": m.plain(placeholder, 150),
        "min_query_length": 0,
    }
    return element | {"initial_option": option(chosen)} if chosen else element


def _text(typed: str, placeholder: str, *, most: int) -> m.Block:
    element: m.Block = {
        "type": "plain_text_input",
        "placeholder": m.plain(placeholder, 150),
        "max_length": most,
    }
    return element | {"initial_value": typed[:most]} if typed else element


def _radio(choices: Sequence[tuple[str, str, str]], chosen: str) -> m.Block:
    drawn = {value: _choice(value, label, description) for value, label, description in choices}
    return {
        "type": "radio_buttons",
        "options": list(drawn.values()),
        "initial_option": drawn.get(chosen, next(iter(drawn.values()))),
    }


def _choice(value: str, label: str, description: str) -> m.Block:
    return {
        "text": m.plain(label, 75),
        "description": m.plain(description, 75),
        "value": str(value),
    }
