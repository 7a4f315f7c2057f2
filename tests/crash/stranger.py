"""Someone who writes to what a migration made on its target, or drops it: what he did is found, and never dropped unseen."""

import json
import random

from engine.lifecycle import Status
from tests.crash.lane import RESTING, TEXTS, fill_old
from tests.crash.new_keys import AUTOMATIC
from tests.crash.promises import Damage, Scene
from tests.crash.walk_lane import OTHERS, OTHERS_COUNT, SHELVES
from tests.engine.bed import Key, Side, rows

ADDED = "strange"


def meddle(scene: Scene, chance: random.Random) -> str:
    """Does something to a collection of the migration, if there is one; returns what."""
    if not scene.is_there():
        return ""
    target = scene.target()
    try:
        there = set(target.client.list_collections()) & set(scene.names)
        if not there:
            return ""
        ended = scene.status in {Status.SUCCESSFUL, Status.MISMATCHED}
        name = chance.choice(sorted(there))
        kind = chance.choice(["add", "drop", *(("delete", "double", "change") if ended else ())])
        if name == AUTOMATIC and scene.lane.new_keys:
            return _keyless(scene, target, chance, ended=ended)
        # An undo misses nothing that may have expired, and nothing of what is not there.
        seen = ended and kind != "drop" and (name, kind) != (RESTING, "delete")
        scene.damage = Damage(seen, scene.events[-1].id)
        return _done(scene, target, name, kind, chance)
    finally:
        target.client.close()


def _done(scene: Scene, target: Side, name: str, kind: str, chance: random.Random) -> str:
    held = scene.lane.held[name]
    partition = chance.choice(list(held.partitions))
    key: Key = chance.choice(scene.lane.shares[name][partition])
    if kind == "add":
        key = "zz" if name == TEXTS else chance.choice([-5_000, 5_000, 10**12])
    row = {**next(rows([key], text=kind)), **({"shelf": 1} if name == SHELVES else {})}
    if kind == "drop":
        scene.dropped(target, name)
    elif kind == "delete":
        listed = json.dumps([key])
        target.client.delete(name, filter=f"id in {listed}", partition_name=partition or None)
    elif kind == "change":
        target.client.upsert(name, [row], partition_name=partition)
    else:
        target.insert(name, [row], partition)
    return f"{kind} {key} in {name}/{partition}"


def _keyless(scene: Scene, target: Side, chance: random.Random, *, ended: bool) -> str:
    """Likewise, where the target makes the keys."""
    partition = chance.choice(list(scene.lane.contents))
    kind = chance.choice(["add", "drop", *(("delete", "double") if ended else ())])
    if kind == "drop":
        scene.damage = Damage(seen=False, since=scene.events[-1].id)
        scene.dropped(target, AUTOMATIC)
        return f"drop {AUTOMATIC}"
    scene.damage = Damage(seen=ended, since=scene.events[-1].id, keyless=True)
    if kind == "add":
        row = {key: value for key, value in next(rows([0], text=ADDED)).items() if key != "id"}
        target.insert(AUTOMATIC, [row], partition)
        return f"add to {AUTOMATIC}/{partition}"
    found = target.client.query(
        AUTOMATIC,
        filter=f"not (text like '{ADDED}%')",  # what takes an earlier act back is not seen
        output_fields=["id", "vector", "text"],
        partition_names=[partition],
        limit=1,
        consistency_level="Strong",
    )
    if not found:
        return ""
    if kind == "delete":
        target.client.delete(AUTOMATIC, ids=[found[0]["id"]], partition_name=partition)
    else:
        row = {"vector": found[0]["vector"], "text": found[0]["text"]}
        target.insert(AUTOMATIC, [row], partition)
    return f"{kind} one of {AUTOMATIC}/{partition}"


def fill_others(target: Side, *, replaces: bool) -> None:
    """Makes a stranger's collection with an alias, and what is to be replaced."""
    target.create(OTHERS)
    target.insert(OTHERS, rows(range(OTHERS_COUNT)))
    target.client.create_alias(OTHERS, "theirs")
    if replaces:
        fill_old(target)
    else:
        target.client.close()
