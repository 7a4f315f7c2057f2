"""The request modal: its order, its reshaping, and what is read back from it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.blocks import check_options
from bot.views.request_form import METADATA_MAX, Field, RequestForm, block_id
from bot.views.request_modal import (
    BACK,
    RESHAPES,
    Known,
    build,
    error_blocks,
    failed,
    option_groups,
    option_value,
    options,
    parse,
    real_names,
)
from bot.views.request_options import REASON_MAX
from engine.model import AutoId, OnConflict

CLUSTERS = ("prod-eu", "staging")
FULL = RequestForm(
    source="prod-eu",
    source_database="shop",
    destination="existing",
    target="staging",
    new_cluster_name="shop-2027",
    target_database="shop2",
    collections=("articles", "sessions"),
    auto_id=AutoId.NEW,
    keys=True,
    on_conflict=OnConflict.REPLACE,
    start="at",
    start_at=1_900_000_800,
    zone="Europe/Berlin",
    throttle="5000 20MB",
    check_source=True,
    ticket="OPS-12",
    reason="Because.",
)


def fields(view: dict[str, Any]) -> list[str]:
    """The action ids of a view's inputs, in order."""
    return [block["element"]["action_id"] for block in view["blocks"] if block["type"] == "input"]


def submitted(view: dict[str, Any]) -> dict[str, Any]:
    """The view as Slack sends it back when nobody changed what it was opened with."""
    values = {
        block["block_id"]: {block["element"]["action_id"]: answer(block["element"])}
        for block in view["blocks"]
        if block["type"] == "input"
    }
    return view | {"state": {"values": values}}


def answer(element: dict[str, Any]) -> dict[str, Any]:
    """An element's entry in `state.values`, as Slack's reference shows it for each type."""
    if element["type"] == "plain_text_input":
        return {"type": element["type"], "value": element.get("initial_value")}
    if element["type"] == "multi_external_select":
        chosen = element.get("initial_options", [])
        return {"type": element["type"], "selected_options": chosen}
    if element["type"] == "checkboxes":
        return {"type": element["type"], "selected_options": element.get("initial_options", [])}
    if element["type"] == "datetimepicker":
        return {"type": element["type"], "selected_date_time": element.get("initial_date_time")}
    return {"type": element["type"], "selected_option": element.get("initial_option")}


def test_the_form_has_the_seed_documents_order() -> None:
    """Source with its collections, Migrate to, target, Migration Type, then the options."""
    assert fields(build(FULL, clusters=CLUSTERS)) == [
        Field.SOURCE,
        Field.SOURCE_DATABASE,
        Field.COLLECTIONS,
        Field.DESTINATION,
        Field.TARGET,
        Field.TARGET_DATABASE,
        Field.MIGRATION_TYPE,
        Field.AUTO_ID,
        Field.ON_CONFLICT,
        Field.START,
        Field.START_AT,
        Field.THROTTLE,
        Field.CHECK_SOURCE,
        Field.TICKET,
        Field.REASON,
    ]


def test_an_option_stands_there_only_where_it_means_something(texts: Any) -> None:
    """No policy for keys without keys in question, no time when it starts at once, no warning when nothing is deleted."""
    less = {"keys": False, "start": "now", "on_conflict": OnConflict.FAIL}
    view = build(FULL.model_copy(update=less), clusters=CLUSTERS)
    assert {Field.AUTO_ID, Field.START_AT}.isdisjoint(fields(view))
    assert "*Replace deletes.*" not in str(texts(view["blocks"]))
    assert "*Replace deletes.*" in str(texts(build(FULL, clusters=CLUSTERS)["blocks"]))


def test_a_hidden_option_comes_back_as_it_was() -> None:
    """The time and the policy for keys are carried while the form does not show them."""
    hidden = FULL.model_copy(update={"keys": False, "start": "now"})
    read = parse(submitted(build(hidden, clusters=CLUSTERS)))
    assert (read.start_at, read.auto_id) == (FULL.start_at, FULL.auto_id)
    assert (
        parse(
            submitted(
                build(read.model_copy(update={"keys": True, "start": "at"}), clusters=CLUSTERS)
            )
        )
        == FULL
    )


def test_a_ticket_is_required_where_policy_says_so() -> None:
    """Slack itself asks for it then, and the hint says what it must match."""
    for pattern, optional in (("", True), ("OPS-[0-9]+", False)):
        view = build(FULL, clusters=CLUSTERS, known=Known(ticket_pattern=pattern))
        block = next(b for b in view["blocks"] if b.get("block_id") == Field.TICKET)
        assert block["optional"] is optional
        assert pattern in block.get("hint", {"text": ""})["text"]


def test_clusters_stand_under_organization_and_project() -> None:
    """A heading that holds what was typed shows all of its clusters; others only those that fit; at most 100 in all."""
    groups = {"acme / search": ("old", "new"), "acme / shop": ("search-2", "till"), "x / y": ()}
    found = [
        (each["label"]["text"], [o["value"] for o in each["options"]])
        for each in option_groups(groups, "search")
    ]
    assert found == [("acme / search", ["old", "new"]), ("acme / shop", ["search-2"])]
    many = {f"p{n}": [f"c{n}-{m}" for m in range(40)] for n in range(4)}
    answered = option_groups(many)
    assert check_options({"option_groups": answered}) == []
    assert sum(len(each["options"]) for each in answered) == 100


def test_a_new_cluster_is_named_where_an_existing_one_is_chosen() -> None:
    """Only that field is exchanged, at the same place."""
    existing = fields(build(FULL, clusters=CLUSTERS))
    new = fields(build(FULL.model_copy(update={"destination": "new"}), clusters=CLUSTERS))
    exchanged = {Field.TARGET.value: Field.NEW_CLUSTER_NAME.value}
    assert [exchanged.get(field, field) for field in existing] == new


def test_what_was_filled_in_is_read_back() -> None:
    """Build and parse are each other's inverse."""
    assert parse(submitted(build(FULL, clusters=CLUSTERS))) == FULL


def test_nothing_typed_is_lost_by_switching_back_and_forth() -> None:
    """The field that the other choice hides comes back with what was in it."""
    form = FULL
    for destination in ("new", "existing", "new"):
        form = form.model_copy(update={"destination": destination})
        form = parse(submitted(build(form, clusters=CLUSTERS)))
    assert form == FULL.model_copy(update={"destination": "new"})


def test_fields_keep_their_ids_when_the_form_is_reshaped() -> None:
    """Slack keeps what is typed exactly as long as block and action id stay the same."""
    before = build(FULL, clusters=CLUSTERS, known=Known(warning="Careful."))
    after = build(FULL.model_copy(update={"destination": "new"}), clusters=CLUSTERS)
    kept = {block.get("block_id") for block in before["blocks"]}
    changed = {b["block_id"] for b in after["blocks"] if b["type"] == "input"} - kept
    assert changed == {block_id(Field.NEW_CLUSTER_NAME, FULL)}
    plain = {"keys": False, "start": "now", "on_conflict": OnConflict.FAIL, "collections": ()}
    after = build(FULL.model_copy(update=plain), clusters=CLUSTERS)
    assert {b["block_id"] for b in after["blocks"] if b["type"] == "input"} <= kept


def test_another_source_starts_its_database_and_collections_afresh() -> None:
    """What belongs to the old source is not kept by Slack under the new one."""
    other = FULL.model_copy(update={"source": "staging"})
    for field in (Field.SOURCE_DATABASE, Field.COLLECTIONS):
        assert block_id(field, FULL) != block_id(field, other)
    assert block_id(Field.REASON, FULL) == block_id(Field.REASON, other)


def test_an_emptied_field_is_empty() -> None:
    """What is carried for hidden fields does not fill a field that is shown and was emptied."""
    view = submitted(build(FULL, clusters=CLUSTERS))
    for block in view["state"]["values"].values():
        for action in block.values():
            single = ("value", "selected_option", "selected_date_time")
            action |= {name: None for name in single if name in action}
            action |= {name: [] for name in ("selected_options",) if name in action}
    assert parse(view) == RequestForm(new_cluster_name="shop-2027", keys=True, zone="Europe/Berlin")


@pytest.mark.parametrize(
    "view",
    [
        {},
        {"private_metadata": "no json", "state": {}},
        {"private_metadata": "[1]", "state": {"values": {}}},
        {"state": {"values": {"b": {Field.ON_CONFLICT.value: {"value": "burn"}}}}},
        {"state": {"values": {"b": {Field.START_AT.value: {"value": "tomorrow"}}}}},
        {"state": {"values": {"b": {Field.SOURCE.value: None}}}},
    ],
)
def test_a_strange_view_gives_an_empty_form(view: dict[str, Any]) -> None:
    """A view of another version, or half of one, is read as far as it can be."""
    assert parse(view) == RequestForm()


def test_choices_that_change_the_form_are_heard() -> None:
    """The inputs after which the form changes send their choice at once, and only those."""
    view = build(FULL, clusters=CLUSTERS)
    heard = [
        block["element"]["action_id"] for block in view["blocks"] if block.get("dispatch_action")
    ]
    assert heard == list(RESHAPES)


def test_the_warning_of_the_chosen_target_stands_under_it() -> None:
    """The warning names the target and comes right after the target's field."""
    view = build(FULL, clusters=CLUSTERS, known=Known(warning="Serves <!channel>"))
    place = [block.get("block_id") for block in view["blocks"]].index(Field.TARGET)
    said = view["blocks"][place + 1]["text"]["text"]
    assert "`staging`" in said
    assert "Serves &lt;!channel&gt;" in said


def test_offline_migration_says_that_writes_must_pause() -> None:
    """The hint of the Migration Type names the write freeze."""
    view = build(FULL, clusters=CLUSTERS)
    block = next(b for b in view["blocks"] if b.get("block_id") == Field.MIGRATION_TYPE)
    assert "Writes to the source must be paused" in block["hint"]["text"]


def test_without_clusters_nothing_can_be_sent(texts: Any) -> None:
    """An empty configuration is said, not shown as an empty list that hangs."""
    view = build(RequestForm(), clusters=())
    assert "submit" not in view
    assert "No cluster is configured" in texts(view["blocks"])[0]


def test_without_new_clusters_only_existing_ones_can_be_chosen() -> None:
    """A choice that would be refused is not offered."""
    new = FULL.model_copy(update={"destination": "new"})
    view = build(new, clusters=CLUSTERS, known=Known(new_clusters=False))
    radio = next(b for b in view["blocks"] if b.get("block_id") == Field.DESTINATION)["element"]
    assert [option["value"] for option in radio["options"]] == ["existing"]
    assert Field.TARGET in fields(view)


def test_errors_stand_at_their_fields() -> None:
    """Errors are given by field and arrive at the block ids of the view that was sent."""
    view = build(FULL, clusters=CLUSTERS)
    errors = error_blocks(view, {Field.SOURCE_DATABASE: "There is no such database."})
    assert errors == {block_id(Field.SOURCE_DATABASE, FULL): "There is no such database."}


def test_an_error_at_a_hidden_field_is_not_lost() -> None:
    """Slack refuses errors at unknown blocks, so it goes to the first field."""
    view = build(FULL, clusters=CLUSTERS)
    assert error_blocks(view, {Field.NEW_CLUSTER_NAME: "Taken."}) == {Field.SOURCE: "Taken."}


def test_the_form_survives_the_view_that_follows_it() -> None:
    """From the failed view the form can be built again as it was."""
    assert parse(failed("It failed.", FULL)) == FULL


@pytest.mark.parametrize(
    "collections",
    [
        tuple(f"{number:02}_{'long_name_' * 4}" for number in range(70)),
        tuple(f"c{number}" for number in range(101)),
    ],
)
def test_a_form_that_does_not_come_back_whole_does_not_come_back(
    collections: tuple[str, ...], texts: Any
) -> None:
    """More collections than Slack keeps never become all of them, or fewer: there is no way back, and it is said."""
    view = failed("It failed.", FULL.model_copy(update={"collections": collections}))
    assert BACK not in str(view)
    assert "cannot be kept" in str(texts(view["blocks"]))
    assert parse(view) == RequestForm()


@given(
    st.builds(
        RequestForm,
        source=st.text(max_size=60),
        target=st.text(max_size=60),
        new_cluster_name=st.text(max_size=60),
        collections=st.lists(st.text(min_size=1, max_size=255), max_size=200).map(tuple),
        reason=st.text(max_size=4_000),
        ticket=st.text(max_size=200),
        throttle=st.text(max_size=100),
        zone=st.text(max_size=40),
        start=st.sampled_from(("now", "at")),
        start_at=st.none() | st.integers(1_000_000_000, 9_999_999_999),
        keys=st.booleans(),
        destination=st.sampled_from(("existing", "new")),
    ),
    st.text(max_size=3_000),
)
def test_any_form_is_one_that_slack_takes(accepted: Any, form: RequestForm, warning: str) -> None:
    """Whatever was typed or chosen, the view keeps Slack's limits, and what it carries fits."""
    known = Known(warning, source_place=warning, ticket_pattern=warning)
    view = build(form, clusters=CLUSTERS, known=known, problem=warning)
    accepted(view)
    accepted(gone := failed(form.reason or "No.", form))
    assert parse(gone) == (form if BACK in str(gone) else RequestForm())
    assert len(view["private_metadata"]) <= METADATA_MAX
    if all(len(name) <= 150 for name in form.collections) and len(form.collections) <= 100:
        kept = parse(submitted(view))
        assert kept.collections == form.collections
        assert kept.reason == form.reason[:REASON_MAX]


@given(st.lists(st.text(min_size=1, max_size=255), max_size=200, unique=True), st.text(max_size=5))
def test_options_are_ones_that_slack_takes(names: list[str], typed: str) -> None:
    """At most 100, each short enough, each holding what was typed, and each leads back to its name."""
    answered = options(names, typed)
    assert check_options({"options": answered}) == []
    values = [option["value"] for option in answered]
    assert len(set(values)) == len(values)
    for name in real_names(values, names):
        assert name in names
        assert typed.strip().casefold() in name.casefold()


def test_long_names_that_begin_alike_stay_apart() -> None:
    """Two collections whose first 200 characters agree are two different options."""
    names = ["a" * 200 + "1", "a" * 200 + "2"]
    assert option_value(names[0]) != option_value(names[1])
    assert real_names([option_value(names[1])], names) == (names[1],)


def test_names_that_begin_with_what_was_typed_come_first() -> None:
    """Search finds inside names too, but beginnings are what people type."""
    found = [each["value"] for each in options(["old_shop", "shop", "Shop2", "x"], "shop")]
    assert found == ["shop", "Shop2", "old_shop"]
