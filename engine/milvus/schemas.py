"""Schemas: as a plan carries them, as a target is asked for them, and the difference of two; never talks to a server.

The described schema is handed over as it is: fields are never enumerated by hand, so that a property which this code does not know
is carried all the same.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from engine.milvus.grpc_gen import schema_pb2
from engine.model import CollectionPlan

DataType = schema_pb2.DataType

DYNAMIC_FIELD: Final = "$meta"
_SCHEMA_MANAGED = ("name", "dbName", "version", "do_physical_backfill", "properties")
_FIELD_MANAGED = ("fieldID", "state")
_FUNCTION_MANAGED = ("id", "input_field_ids", "output_field_ids")
_NAMED_PARTS = {"fields": "field", "functions": "function", "structArrayFields": "struct array"}
_PAIRS = ("typeParams", "indexParams", "params")
_JSON_PARAMS = ("analyzer_params", "multi_analyzer_params")
_LITE_PARAMS = frozenset(
    {"dim", "max_length", "max_capacity", "enable_analyzer", "enable_match", "analyzer_params"}
)


def schema_of(plan: CollectionPlan) -> Any:
    """The `CollectionSchema` message that a plan carries."""
    return schema_pb2.CollectionSchema.FromString(base64.b64decode(plan.definition))


def encode(schema: Any) -> str:
    """A `CollectionSchema` message as a plan carries it."""
    return base64.b64encode(schema.SerializeToString(deterministic=True)).decode()


def fields_of(schema: Any) -> list[Any]:
    """All fields, those inside struct arrays too."""
    inner = (field for struct in schema.struct_array_fields for field in struct.fields)
    return [*schema.fields, *inner]


def params_of(field: Any) -> dict[str, str]:
    """The parameters of a field's type by name."""
    return {pair.key: pair.value for pair in field.type_params}


def marked_fields(schema: Any) -> frozenset[str]:
    """The fields that may be null or have a default value: servers from 2.5 on want their marks of validity in every insert.

    Source: `fillWithValue` in Milvus's proxy (`validate_util.go`); newer ones add them where they are left out.
    """
    return frozenset(
        field.name for field in schema.fields if field.nullable or field.HasField("default_value")
    )


def null_or_default(schema: Any) -> list[str]:
    """The fields that may be null and have a default value."""
    return [f.name for f in schema.fields if f.nullable and f.HasField("default_value")]


def makes_keys(schema: Any) -> bool:
    """Whether a collection makes its keys itself; some servers say it of the collection, some of the key field, some of both."""
    return bool(schema.autoID or any(field.autoID for field in schema.fields))


def creation_schema(plan: CollectionPlan) -> Any:
    """The schema to create: the source's, without what only its own server knows, and with auto-id as the key policy says."""
    schema = _plain(schema_of(plan))
    schema.name = plan.name
    _set_auto_id(schema, on=plan.keys.target_makes_keys)
    return schema


def differences(plan: CollectionPlan, described: Any, *, lite: bool) -> list[str]:
    """What a target's schema says otherwise than the plan; indexes and placement are not looked at.

    Args:
        plan: The planned collection.
        described: The target's `CollectionSchema`.
        lite: Whether the target is Milvus Lite, which does not report everything.
    """
    wanted, found = creation_schema(plan), _plain(described)
    found.name = wanted.name
    _set_auto_id(found, on=makes_keys(found))
    return list(_message_differences(_as_dict(wanted, lite=lite), _as_dict(found, lite=lite)))


def _set_auto_id(schema: Any, *, on: bool) -> None:
    schema.autoID = on
    for field in schema.fields:
        field.autoID = on and field.is_primary_key


def _message_differences(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    for key in sorted(ours.keys() | theirs.keys()):
        if key in _NAMED_PARTS:
            yield from _named_differences(_NAMED_PARTS[key], ours.get(key, []), theirs.get(key, []))
        elif ours.get(key) != theirs.get(key):
            yield f"{key} is {theirs.get(key, 'missing')}, not {ours.get(key, 'missing')}"


def _named_differences(kind: str, wanted: list[Any], found: list[Any]) -> Iterator[str]:
    ours, theirs = ({item["name"]: item for item in items} for items in (wanted, found))
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            yield f"{kind} “{name}” is missing"
        elif name not in ours:
            yield f"{kind} “{name}” is extra"
        else:
            for said in _message_differences(ours[name], theirs[name]):
                yield f"{kind} “{name}”: {said}"
    if kind == _NAMED_PARTS["fields"] and ours.keys() == theirs.keys() and [*ours] != [*theirs]:
        yield f"fields are in another order: {', '.join(theirs)}"  # old clients insert by their places


def _as_dict(schema: Any, *, lite: bool) -> dict[str, Any]:
    tree: dict[str, Any] = MessageToDict(schema)
    structs = tree.get("structArrayFields", [])
    inner = (field for struct in structs for field in struct.get("fields", []))
    for part in (*tree.get("fields", []), *structs, *inner, *tree.get("functions", [])):
        _unfold_pairs(part)
        if lite:
            _drop_unreported(part)
    if lite:
        tree.pop("description", None)
    return tree


def _unfold_pairs(part: dict[str, Any]) -> None:
    """Makes lists of keys and values comparable: in any order, JSON by what it says."""
    for slot in _PAIRS:
        pairs = {pair["key"]: pair.get("value", "") for pair in part.pop(slot, [])}
        for name in _JSON_PARAMS:
            if name in pairs:
                pairs[name] = _loaded(pairs[name])
        if pairs:
            part[slot] = pairs


def _drop_unreported(part: dict[str, Any]) -> None:
    part.pop("description", None)
    kept = {
        key: value
        for key, value in part.pop("typeParams", {}).items()
        # Milvus Lite forgets how long the texts in an array may be, and what is switched off.
        if key in _LITE_PARAMS
        and str(value).lower() != "false"
        and not (key == "max_length" and part.get("dataType") == "Array")
    }
    if kept:
        part["typeParams"] = kept


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plain(schema: Any) -> Any:
    """A copy of a schema without what only its own server knows (ids, states); properties go with the request."""
    plain = schema_pb2.CollectionSchema()
    plain.CopyFrom(schema)
    _clear(plain, _SCHEMA_MANAGED)
    for field in (*fields_of(plain), *plain.struct_array_fields):
        _clear(field, _FIELD_MANAGED)
    for function in plain.functions:
        _clear(function, _FUNCTION_MANAGED)
    return plain


def _clear(message: Any, names: Iterable[str]) -> None:
    for name in names:
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
