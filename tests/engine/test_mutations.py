"""The verifier against damage of every kind in every field type: all of it is found, each by key, kind and field, and nothing else.

All damage of a collection stands on the target at once, each under keys of its own, so that one verification answers for all.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType

import engine
from engine.model import Found, Outcome, Secrets
from tests.engine.bed import Bed, Row, Side

Damage = tuple[int, str, tuple[str, ...]]
Say = Callable[[str], None]

DIM = 16
KEYS_PER_FIELD = 10
DROPPED, STRANGERS, DOUBLED = 3, 3, 2
"""How many entities of each collection are deleted, added, inserted once more."""


@dataclass(frozen=True)
class Field:
    """A field type and how its values are damaged.

    Attributes:
        make: A value for a key; different keys have different values, but for BOOL.
        changes: Values that are put in the place of a key's own, from far away to one bit off.
        params: Of the schema.
        stored: The name that findings give it, where it is not its own.
    """

    type: DataType
    make: Callable[[int], Any]
    changes: Callable[[Any], Sequence[Any]]
    params: Mapping[str, Any] = field(default_factory=dict)
    stored: str = ""

    @property
    def is_vector(self) -> bool:
        """Whether it needs an index."""
        return self.type.name.endswith("VECTOR")


def bit_off(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array with one bit of its last element flipped."""
    raw = bytearray(value.tobytes())
    raw[-value.itemsize] ^= 1
    return np.frombuffer(bytes(raw), value.dtype)


def floats(key: int) -> list[float]:
    """A float vector."""
    return [float(np.float32(key + step / 7)) for step in range(DIM)]


def bits(key: int) -> bytes:
    """A binary vector."""
    return key.to_bytes(DIM // 8, "big")


def one_bit(value: bytes) -> bytes:
    """The bytes with their last bit flipped."""
    return value[:-1] + bytes([value[-1] ^ 1])


def whole(type_: DataType) -> Field:
    """An integer type."""
    return Field(type_, lambda key: key % 100, lambda value: (value ^ 1, -1 - value))


def near_float(value: float) -> float:
    """The next float32."""
    return float(np.nextafter(np.float32(value), np.float32(math.inf)))


SCALARS: dict[str, Field] = {
    "flag": Field(DataType.BOOL, lambda key: key % 2 == 0, lambda value: (not value,)),
    "tiny": whole(DataType.INT8),
    "small": whole(DataType.INT16),
    "int": whole(DataType.INT32),
    "long": Field(DataType.INT64, lambda key: 2**60 + key, lambda value: (value ^ 1, -value)),
    "single": Field(DataType.FLOAT, lambda key: key + 0.5, lambda v: (near_float(v), -v, 0.0)),
    "double": Field(
        DataType.DOUBLE, lambda key: key + 0.1, lambda v: (math.nextafter(v, math.inf), -v)
    ),
    "text": Field(
        DataType.VARCHAR,
        lambda key: f"text {key}",
        lambda v: (v[:-1] + chr(ord(v[-1]) ^ 1), v + " ", ""),
        {"max_length": 200},
    ),
    "document": Field(
        DataType.JSON,
        lambda key: {"n": key, "deep": [1, None, {"x": "y"}]},
        lambda v: (v | {"deep": [1, None, {"x": "z"}]}, v | {"n": str(v["n"])}, {}),
    ),
    "longs": Field(
        DataType.ARRAY,
        lambda key: [key, key + 1],
        lambda v: ([v[0], v[1] ^ 1], v[::-1], v[:1], []),
        {"element_type": DataType.INT64, "max_capacity": 9},
    ),
    "words": Field(
        DataType.ARRAY,
        lambda key: [f"a{key}", "b"],
        lambda v: ([v[0] + "b", ""], v[::-1], []),
        {"element_type": DataType.VARCHAR, "max_capacity": 9, "max_length": 50},
    ),
    "loose": Field(
        DataType.NONE, lambda key: f"loose {key}", lambda v: (v + ".", 7, None), stored="$meta"
    ),
}
FLOATS = Field(
    DataType.FLOAT_VECTOR,
    floats,
    lambda v: (bit_off(np.array(v, "<f4")).tolist(), [-v[0], *v[1:]], [0.0] * DIM),
    {"dim": DIM},
)
BITS = Field(DataType.BINARY_VECTOR, bits, lambda v: (one_bit(v), bytes(DIM // 8)), {"dim": DIM})
OLD: dict[str, dict[str, Field]] = {
    "scalars": SCALARS | {"vector": FLOATS},
    "binary": {"vector": BITS},
}
"""What Milvus 2.3.5 has, which takes one vector field per collection."""
NULLABLE = {"tiny", "long", "double", "text", "document", "longs"}
NEW: dict[str, dict[str, Field]] = {
    "scalars": SCALARS
    | {
        "vector": FLOATS,
        "when": Field(
            DataType.TIMESTAMPTZ,
            lambda key: f"2026-01-01T{key // 3600:02}:{key // 60 % 60:02}:{key % 60:02}.000001Z",
            lambda v: (v.replace("01Z", "02Z"), v.replace("2026", "2025")),
        ),
        "where": Field(
            DataType.GEOMETRY,
            lambda key: f"POINT ({key} 0.5)",
            lambda v: (v.replace("0.5", "0.5000000000000001"), "POINT (0 0)"),
        ),
    },
    "sparse": {
        "vector": Field(
            DataType.SPARSE_FLOAT_VECTOR,
            lambda key: {key: 0.5, 70_000: 1.0},
            lambda v: ({**v, 70_000: near_float(1.0)}, {70_000: 1.0}, {**v, 5_000: 0.25}),
        ),
    },
}
"""What Milvus Lite has; the vectors that neither server has are damaged in `tests/unit/test_canonical.py`."""


def create(side: Side, name: str, fields: Mapping[str, Field], *, nulls: bool) -> None:
    """Makes and loads a collection of these fields."""
    client = side.client
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    indexes = client.prepare_index_params()
    for field_name, kind in fields.items():
        if kind.type is DataType.NONE:
            continue
        nullable = {"nullable": True} if nulls and field_name in NULLABLE else {}
        schema.add_field(field_name, kind.type, **kind.params, **nullable)
        if kind.is_vector:
            indexes.add_index(field_name, **index_of(kind.type))
    client.create_collection(name, schema=schema, index_params=indexes)


def index_of(type_: DataType) -> dict[str, Any]:
    """An exact index for a type of vector."""
    if type_ is DataType.BINARY_VECTOR:
        return {"index_type": "BIN_FLAT", "metric_type": "HAMMING", "params": {}}
    if type_ is DataType.SPARSE_FLOAT_VECTOR:
        return {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "IP", "params": {}}
    return {"index_type": "FLAT", "metric_type": "L2", "params": {}}


def row(key: int, fields: Mapping[str, Field]) -> Row:
    """An entity."""
    return {"id": key} | {name: kind.make(key) for name, kind in fields.items()}


def damages(fields: Mapping[str, Field], *, nulls: bool) -> tuple[dict[int, Row], list[Damage]]:
    """What to write to the target in the place of which entity, and what a verification has to say of it."""
    written: dict[int, Row] = {}
    expected: list[Damage] = []
    for place, (name, kind) in enumerate(fields.items()):
        key = place * KEYS_PER_FIELD
        values = [*kind.changes(kind.make(key))]
        if nulls and name in NULLABLE:
            values.append(None)
        assert len(values) <= KEYS_PER_FIELD - 3
        for step in range(len(values)):
            value = None if values[step] is None else kind.changes(kind.make(key + step))[step]
            written[key + step] = row(key + step, fields) | {name: value}
        first, second = key + KEYS_PER_FIELD - 3, key + KEYS_PER_FIELD - 2
        written[first] = row(first, fields) | {name: kind.make(second)}
        written[second] = row(second, fields) | {name: kind.make(first)}
        named = (kind.stored or name,)
        expected += [
            (each, "different", named) for each in (*range(key, key + len(values)), first, second)
        ]
    return written, expected


def damage(
    side: Side, name: str, fields: Mapping[str, Field], *, nulls: bool, doubled: bool
) -> list[Damage]:
    """Damages the target's copy in every way; returns what has to be found."""
    written, expected = damages(fields, nulls=nulls)
    side.client.upsert(name, list(written.values()))
    end = KEYS_PER_FIELD * len(fields)
    dropped = list(range(end, end + DROPPED))
    strangers = range(10_000, 10_000 + STRANGERS)
    side.client.delete(name, ids=dropped)
    side.client.insert(name, [row(key, fields) for key in strangers])
    expected += [(key, "missing", ()) for key in dropped]
    expected += [(key, "extra", ()) for key in strangers]
    if doubled:
        twice = range(end + DROPPED, end + DROPPED + DOUBLED)
        side.client.insert(name, [row(key, fields) for key in twice])
        expected += [(key, "extra", ()) for key in twice]
    return expected


def found_after(
    bed: Bed, collections: Mapping[str, Mapping[str, Field]], *, nulls: bool, doubled: bool
) -> tuple[dict[str, list[Damage]], dict[str, list[Damage]]]:
    """What was done to each collection of a proved copy, and what a verification finds."""
    for name, fields in collections.items():
        create(bed.source, name, fields, nulls=nulls)
        entities = KEYS_PER_FIELD * len(fields) + 2 * KEYS_PER_FIELD
        bed.source.client.insert(name, [row(key, fields) for key in range(entities)])
    report = bed.migrate()
    assert report.status is Outcome.SUCCESSFUL, report
    done = {
        name: damage(bed.target, name, fields, nulls=nulls, doubled=doubled)
        for name, fields in collections.items()
    }
    lines: list[Found] = []
    engine.verify(bed.request(), Secrets(), lines.append)
    found: dict[str, list[Damage]] = {name: [] for name in collections}
    for line in lines:
        assert isinstance(line.pk, int)
        found[line.collection].append((line.pk, line.kind, line.fields))
    return done, found


def told(say: Say, where: str, done: Mapping[str, Sequence[Damage]]) -> None:
    """Prints the figure of the guarantee."""
    fields = {name for each in done.values() for _, _, names in each for name in names}
    number = sum(map(len, done.values()))
    say(f"mutations of {where}: {number} of {number} found and named, in {len(fields)} fields")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints a figure for whoever runs the tests, captured or not."""

    def print_it(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")  # noqa: T201  # the figure

    return print_it


def test_every_mutation_is_found_on_lite(lite_bed: Bed, say: Say) -> None:
    """In all field types of Milvus Lite: changed, one bit off, set to null, swapped, dropped, added."""
    done, found = found_after(lite_bed, NEW, nulls=True, doubled=False)
    assert {name: sorted(each) for name, each in found.items()} == {
        name: sorted(each) for name, each in done.items()
    }
    told(say, "Milvus Lite", done)


@pytest.mark.real_milvus
def test_every_mutation_is_found_on_a_real_server(bed: Bed, say: Say) -> None:
    """In the field types of Milvus 2.3.5, and doubled entities too, which a query answers once."""
    done, found = found_after(bed, OLD, nulls=False, doubled=True)
    assert {name: sorted(each) for name, each in found.items()} == {
        name: sorted(each) for name, each in done.items()
    }
    told(say, "Milvus 2.3.5", done)
