"""What has changed between the plan that was approved and the plan of now."""

from typing import Any

import pytest

from engine.model import (
    CollectionPlan,
    Endpoint,
    IndexDefinition,
    PartitionPlan,
    Plan,
    Replaced,
    Request,
)
from engine.plandiff import difference


def collection(name: str = "articles", **given: Any) -> CollectionPlan:
    """A collection's plan."""
    values: dict[str, Any] = {
        "name": name,
        "definition": "AAAA",
        "fields": ("id: INT64", "title: VARCHAR"),
        "primary_field": "id",
        "primary_type": "INT64",
        "auto_id": False,
        "entities": 10,
        "bytes": 1000,
        "partitions": (PartitionPlan(name="_default", entities=10),),
        "partition_key": False,
        "num_partitions": 1,
        "shards": 1,
        "consistency_level": "Strong",
        "properties": {"collection.ttl.seconds": "60"},
        "indexes": (IndexDefinition(name="v", field="vector", params={"index_type": "HNSW"}),),
        "aliases": ("news",),
        "loaded": True,
    }
    return CollectionPlan(**(values | given))


def plan(*collections: CollectionPlan, losses: tuple[str, ...] = ()) -> Plan:
    """A plan."""
    request = Request(
        source=Endpoint(name="old", uri="http://old:1"),
        target=Endpoint(name="new", uri="http://new:1"),
    )
    versions = {"source_version": "2.6.0", "target_version": "2.6.0"}
    return Plan(request=request, collections=collections, losses=losses, **versions)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fields": ("id: INT64",), "definition": "B"}, ["fields: title: VARCHAR is gone"]),
        (
            {"fields": ("id: INT64", "title: JSON"), "definition": "B"},
            ["fields: title: VARCHAR is gone", "fields: title: JSON is new"],
        ),
        ({"definition": "B"}, ["its schema has changed"]),
        ({"shards": 2}, ["shards was 1, is 2"]),
        ({"aliases": ()}, ["aliases: news is gone"]),
        ({"properties": {}}, ["properties: collection.ttl.seconds was 60, is not set"]),
        (
            {
                "indexes": (
                    IndexDefinition(name="v", field="vector", params={"index_type": "FLAT"}),
                )
            },
            [
                "indexes: v on vector (index_type=HNSW) is gone",
                "indexes: v on vector (index_type=FLAT) is new",
            ],
        ),
        (
            {"partitions": (PartitionPlan(name="p1", entities=10),)},
            ["partitions: _default is gone", "partitions: p1 is new"],
        ),
        ({"losses": ("keys are made anew",)}, ["losses: keys are made anew is new"]),
        ({"conflict": "It stands there."}, ["something stands in its way now"]),
    ],
)
def test_a_changed_definition_is_named(changed: dict[str, Any], said: list[str]) -> None:
    """Whatever is not a measure counts, and is told by collection and name."""
    found = difference(plan(collection()), plan(collection(**changed)))
    assert list(found.definitions) == [f"“articles”: {sentence}." for sentence in said]
    assert found.counts == ()


def test_collections_come_and_go() -> None:
    """A collection that is new or gone is a change, with its count."""
    found = difference(
        plan(collection("a"), collection("b")), plan(collection("b"), collection("c"))
    )
    assert found.definitions == ("“a” is gone.", "“c” is new, with 10 entities.")


HELD = Replaced(id=7, entities=1_234)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (None, HELD, "what stands on the target now would be DELETED: 1,234 entities"),
        (
            HELD,
            None,
            "nothing is deleted for it on the target any more (before: 1,234 entities)",
        ),
        (
            HELD,
            Replaced(id=8, entities=1_234),
            "another collection stands on the target now and would be DELETED: 1,234 entities (before: 1,234 entities)",
        ),
        (
            HELD,
            Replaced(id=7, entities=1),
            "what would be DELETED on the target has changed: 1,234 entities → 1 entity",
        ),
        (
            HELD,
            Replaced(id=7, entities=9, exact=False),
            (
                "what would be DELETED on the target has changed: 1,234 entities → "
                "not counted (not loaded; its statistics say 9 entities)"
            ),
        ),
    ],
)
def test_what_is_deleted_is_approved_as_it_is(
    before: Replaced | None, now: Replaced | None, said: str
) -> None:
    """Another collection to be deleted, or other entities in it, is a change, told before all others: nothing brings them back."""
    found = difference(
        plan(collection("first"), collection("orders", replaces=before)),
        plan(collection("first", shards=2), collection("orders", replaces=now)),
    )
    assert found.definitions == (f"“orders”: {said}.", "“first”: shards was 1, is 2.")


def test_losses_of_the_whole_are_a_change() -> None:
    """What will not be carried of the whole migration was approved as well."""
    found = difference(plan(losses=("Users.",)), plan(losses=("Users.", "Grants.")))
    assert found.definitions == ("Not carried: Grants is new",)


def test_measures_are_no_definitions() -> None:
    """Entities that were written meanwhile, sizes, load state and notes change nothing that was approved; the counts are told."""
    partitions = (PartitionPlan(name="_default", entities=1200),)
    measured = {"entities": 1200, "bytes": 5, "loaded": False, "notes": ("It is released.",)}
    found = difference(plan(collection()), plan(collection(partitions=partitions, **measured)))
    assert found.definitions == ()
    assert found.counts == ("“articles”: 10 → 1,200 entities.",)


def test_every_value_of_a_plan_is_compared() -> None:
    """A value that is added to a collection's plan one day is compared too, without a line of code for it."""
    values = collection().model_dump()
    assert difference(plan(collection()), plan(CollectionPlan.model_validate(values))) == ((), ())


@pytest.mark.parametrize(("before", "now", "told"), [(7, 9, True), (7, 7, False), (0, 9, False)])
def test_a_source_that_was_made_anew_is_told(before: int, now: int, *, told: bool) -> None:
    """Another collection under an old name is approved as such; a plan of before, or Milvus Lite's, knows no ids."""
    found = difference(plan(collection(id=before)), plan(collection(id=now)))
    said = ("“articles”: it was dropped on the source and made anew.",) if told else ()
    assert found.definitions == said
