"""What becomes of keys that the source made: by the target's version and the requester's choice; a plan's hash goes on holding."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pymilvus.grpc_gen import schema_pb2

from bot.console import require_same_keys
from engine.errors import InputRejected
from engine.lifecycle import Status
from engine.milvus import properties, schemas
from engine.milvus.capabilities import Target, default_for_null, takes_explicit_keys
from engine.model import (
    AutoId,
    Endpoint,
    KeyPolicy,
    Migration,
    Plan,
    Replaced,
    Request,
)
from engine.planner import _null_obstacles
from tests.engine.shapes import collection
from tests.engine.shapes import keyed_schema as schema

LITE = Target("milvus_lite 3.2.2", lite=True)
T = schema_pb2.DataType


def request(**changes: Any) -> Request:
    """A request between two clusters."""
    source, target = (Endpoint(name=n, uri=f"http://{n}:1") for n in ("a", "b"))
    return Request(source=source, target=target, **changes)


def plan(**changes: Any) -> Plan:
    """A plan of one collection."""
    return Plan(
        request=request(),
        source_version="v2.3.5",
        target_version="v2.3.5",
        collections=(collection(),),
    ).model_copy(update=changes)


@pytest.mark.parametrize(
    ("target", "kind", "takes"),
    [
        (Target("v2.6.2", lite=False), T.Int64, False),
        (Target("v2.6.3", lite=False), T.Int64, True),
        (Target("v3.0.0", lite=False), T.VarChar, True),
        (LITE, T.Int64, True),
        (LITE, T.VarChar, False),
    ],
)
def test_who_takes_explicit_keys(target: Target, kind: int, takes: bool) -> None:
    """Servers from 2.6.3 on by a property, Milvus Lite for the only keys that it makes."""
    assert takes_explicit_keys(target, schema(kind)) is takes


@pytest.mark.parametrize("policy", KeyPolicy)
def test_auto_id_follows_the_policy(policy: KeyPolicy) -> None:
    """The schema to create makes keys where the policy says so, and asks for the property only where the source's keys go in."""
    planned = collection(keys=policy)
    made = schemas.creation_schema(planned)
    expected = policy in {KeyPolicy.ALLOWED, KeyPolicy.NEW}
    assert (made.autoID, made.fields[0].autoID) == (expected, expected)
    assert (properties.ALLOW_KEYS in properties.at_creation(planned)) is (
        policy is KeyPolicy.ALLOWED
    )
    assert planned.uncompared_field == ("id" if policy is KeyPolicy.NEW else "")


def test_a_property_of_the_source_itself_stays() -> None:
    """What the copy needs is not removed where the source's collection has it too."""
    found = {properties.ALLOW_KEYS: "true"}
    ours = collection(keys=KeyPolicy.ALLOWED)
    assert properties.to_remove(ours, found) == [properties.ALLOW_KEYS]
    theirs = ours.model_copy(update={"properties": found})
    assert properties.to_remove(theirs, found) == []
    assert properties.to_remove(ours, {}) == []


def test_nulls_that_become_defaults_are_known() -> None:
    """A field that is nullable and has a default value loses its nulls on servers from 2.5 on."""
    made = schema()
    made.fields.add(name="both", data_type=T.Int32, nullable=True).default_value.int_data = 3
    made.fields.add(name="null", data_type=T.Int32, nullable=True)
    made.fields.add(name="default", data_type=T.Int32).default_value.int_data = 3
    assert default_for_null(Target("v2.5.0", lite=False), made) == ["both"]
    assert default_for_null(Target("v2.4.9", lite=False), made) == []
    assert default_for_null(LITE, made) == []


def test_nulls_that_would_become_defaults_are_a_conflict() -> None:
    """Where entities are null in such a field the plan says how many; where none is, or the target keeps nulls, nothing."""
    made = schema()
    made.fields.add(name="both", data_type=T.Int32, nullable=True).default_value.int_data = 3
    newer = Target("v2.5.0", lite=False)
    (said,) = _null_obstacles(collection(nulls={"both": 1_200}), made, newer)
    assert (
        "1,200 of its entities are null in both, and the target writes the field's default" in said
    )
    assert list(_null_obstacles(collection(nulls={"both": 0}), made, newer)) == []
    assert list(_null_obstacles(collection(), made, newer)) == []
    assert list(_null_obstacles(collection(nulls={"both": 9}), made, LITE)) == []


def test_a_hash_holds_where_a_plan_says_nothing_new() -> None:
    """What was added to plans later changes the hash only where it says something."""
    older = plan()
    stored = older.model_dump(mode="json")
    for name in ("keys", "replicas", "nulls", "replaces"):
        del stored["collections"][0][name]
    for name in ("auto_id", "replaces"):
        del stored["request"][name]
    del stored["database_properties"]
    assert Plan.model_validate(stored).hash == older.hash
    hashes = {
        older.hash,
        plan(request=request(auto_id=AutoId.NEW)).hash,
        plan(database_properties={"timezone": "UTC"}).hash,
        plan(collections=(collection(keys=KeyPolicy.NEW),)).hash,
        plan(collections=(collection(replicas=2),)).hash,
        plan(collections=(collection(replaces=Replaced(id=7, entities=10)),)).hash,
        plan(collections=(collection(replaces=Replaced(id=8, entities=10)),)).hash,
        plan(collections=(collection(replaces=Replaced(id=7, entities=11)),)).hash,
    }
    assert len(hashes) == 8


def test_an_unfinished_migration_keeps_its_choice() -> None:
    """The other --auto-id for what was begun is refused with what to do."""
    begun = Migration(
        id="M-1",
        request=request(auto_id=AutoId.NEW),
        status=Status.FAILED,
        requester="u",
        created_at=datetime.now(UTC),
    )
    require_same_keys(begun, AutoId.NEW)
    with pytest.raises(InputRejected, match="begun with --auto-id new"):
        require_same_keys(begun, AutoId.KEEP)
