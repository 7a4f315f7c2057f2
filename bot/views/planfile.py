"""The full plan as a text file: every collection with its fields, indexes, properties and partitions, and all that is not carried.

It says what a `Plan` says, nothing is cut. It holds no token: endpoints have none.
"""

from collections.abc import Iterable, Iterator

from bot.views import text as t
from bot.views.card import MigrationCard, amount, on_target
from engine.model import CollectionPlan, Endpoint, KeyPolicy, Plan


def plan_name(card: MigrationCard, plan: Plan) -> str:
    """The file's name: another plan of the same migration has another one."""
    return f"{card.migration.id}-plan-{plan.hash[:12]}.txt"


def plan_file(card: MigrationCard, plan: Plan) -> str:
    """The file's content."""
    migration, request = card.migration, plan.request
    head = [
        f"Plan {plan.hash}",
        f"Migration:        {migration.id}, Offline Migration",
        f"Requested by:     {migration.requester}, {t.utc(migration.created_at)}",
        f"Reason:           {_one_line(migration.reason) or 'none given'}",
        f"Source:           {_place(request.source)}, Milvus {plan.source_version}; it is only read",
        f"Target:           {_place(request.target)}, Milvus {plan.target_version}",
        f"On conflict:      {request.on_conflict.value}",
        f"In all:           {amount(plan)}",
        *([f"Expected:         {_one_line(card.expected)}"] if card.expected else []),
        "Writes to the source must be paused from the start until the verification has ended. Ferry does not pause them.",
    ]
    deletions = _list("Will be DELETED on the target", plan.deletions)
    losses = _list("Not carried", plan.all_losses) or ["", "Not carried: nothing; all is carried"]
    database = _list("Properties of the database", _pairs(plan.database_properties))
    each = [line for collection in plan.collections for line in _collection(collection)]
    return "\n".join([*head, *deletions, *losses, *database, *each]) + "\n"


def _collection(plan: CollectionPlan) -> Iterator[str]:
    yield from ("", f"== {_seen(plan.name)}")
    yield f"  {t.entities(plan.entities)}, about {t.size(plan.bytes)}; on the target: {on_target(plan)}"
    yield f"  primary key: {_seen(plan.primary_field)} ({plan.primary_type}); {_keys(plan)}"
    yield f"  shards: {plan.shards}, consistency: {plan.consistency_level}, loaded: {_yes(plan.loaded)}, replicas: {plan.replicas}"
    yield from _indented("fields", map(_seen, plan.fields))
    indexes = (
        f"{_seen(i.name)} on {_seen(i.field)} ({', '.join(_pairs(i.params))})" for i in plan.indexes
    )
    yield from _indented("indexes", indexes)
    yield from _indented("partitions", _partitions(plan))
    yield from _indented("aliases", map(_seen, plan.aliases))
    yield from _indented("properties", _pairs(plan.properties))
    yield from _indented("not carried", map(_one_line, plan.losses))
    yield from _indented("notes", map(_one_line, plan.notes))


def _partitions(plan: CollectionPlan) -> Iterable[str]:
    if plan.partition_key:
        return [f"{plan.num_partitions}, by partition key"]
    return [f"{_seen(p.name)}: {t.entities(p.entities)}" for p in plan.partitions]


def _indented(title: str, lines: Iterable[str]) -> Iterator[str]:
    shown = list(lines)
    if shown:
        yield f"  {title}:"
        yield from (f"    {line}" for line in shown)


def _list(title: str, lines: Iterable[str]) -> list[str]:
    shown = [f"  - {_one_line(line)}" for line in lines]
    return ["", f"{title}:", *shown] if shown else []


def _pairs(values: dict[str, str]) -> list[str]:
    return [f"{_seen(key)}={_seen(value)}" for key, value in sorted(values.items())]


def _seen(text: str) -> str:
    return t.visible(text)


def _one_line(text: str) -> str:
    return " ".join(t.prose(text).split())


def _place(endpoint: Endpoint) -> str:
    return f"{_seen(str(endpoint))} at {_seen(endpoint.uri)}"


def _keys(plan: CollectionPlan) -> str:
    """What becomes of the keys."""
    if not plan.auto_id:
        return "its keys are kept"
    anew = plan.keys is KeyPolicy.NEW
    return f"the source made its keys; {'the target makes all of them anew' if anew else 'they are kept'}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
