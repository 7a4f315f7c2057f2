"""Index definitions as servers tell them, as servers take them, and the difference of two; never talks to a server.

Real servers answer the parameters one by one, Milvus Lite as one JSON text besides; a definition holds them one by one as text,
so that the two compare. What a server adds on its own is its own.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from engine.model import IndexDefinition

INDEX_TYPE: Final = "index_type"
JSON_PATH: Final = "json_path"
_METRIC: Final = "metric_type"
_PACKED: Final = "params"
_NO_METRIC: Final = "NONE"
_LITE_NAMES: Final = {"BRUTE_FORCE": "FLAT"}
"""What Milvus Lite calls otherwise than servers."""


def definition(name: str, field: str, params: Mapping[str, str]) -> IndexDefinition:
    """An index as a server describes it, with its parameters one by one."""
    flat = {key: value for key, value in params.items() if key != _PACKED}
    packed = json.loads(params.get(_PACKED) or "{}")
    flat |= {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in packed.items()
    }
    if flat.get(_METRIC) == _NO_METRIC:
        del flat[_METRIC]
    if flat.get(INDEX_TYPE) in _LITE_NAMES:
        flat[INDEX_TYPE] = _LITE_NAMES[flat[INDEX_TYPE]]
    return IndexDefinition(name=name, field=field, params=dict(sorted(flat.items())))


def creation_params(index: IndexDefinition, *, lite: bool) -> dict[str, str]:
    """The parameters as a target takes them."""
    if not lite:
        return index.params
    said = {key: index.params[key] for key in (INDEX_TYPE, _METRIC) if key in index.params}
    build = {key: _typed(value) for key, value in index.params.items() if key not in said}
    return said | ({_PACKED: json.dumps(build)} if build else {})


def by_name(listed: Iterable[IndexDefinition], *, lite: bool) -> dict[str, IndexDefinition]:
    """Indexes by what a target calls them: Milvus Lite calls every index by its field, whatever name it was given."""
    return {index.field if lite else index.name: index for index in listed}


def differences(
    planned: Iterable[IndexDefinition], described: Iterable[IndexDefinition], *, lite: bool
) -> Iterator[str]:
    """What a target's indexes are otherwise than planned, one sentence each."""
    wanted, found = by_name(planned, lite=lite), by_name(described, lite=lite)
    for name, index in wanted.items():
        if name in found:
            yield from _of_one(index, found[name])
        else:
            yield f"index “{name}” on {index.field} is missing"
    yield from (f"index “{name}” is extra" for name in found.keys() - wanted.keys())


def _of_one(wanted: IndexDefinition, found: IndexDefinition) -> Iterator[str]:
    if wanted.field != found.field:
        yield f"index “{wanted.name}” is on {found.field}, not {wanted.field}"
    for key, value in sorted(wanted.params.items()):
        if found.params.get(key) != value:
            yield f"index “{wanted.name}” has {key} {found.params.get(key, 'missing')}, not {value}"


def _typed(value: str) -> Any:
    """A parameter as Milvus Lite takes it: numbers as numbers."""
    try:
        return json.loads(value)
    except ValueError:
        return value
