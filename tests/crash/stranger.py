"""Someone who writes to what a migration made on its target, or drops it: what he did is found, and never dropped unseen."""

import json
import random

from engine.lifecycle import Status
from tests.crash.lane import RESTING, TEXTS
from tests.crash.new_keys import AUTOMATIC
from tests.crash.promises import Damage, Scene
from tests.crash.walk_lane import SHELVES
from tests.engine.bed import Key, Side, rows


def meddle(scene: Scene, chance: random.Random) -> str:
    """Does something to a collection of the migration, if there is one; returns what.

    A collection whose keys the target makes is left alone: what differs there stays so, which other tests show.
    """
    if not scene.is_there():
        return ""
    target = scene.target()
    try:
        there = set(target.client.list_collections()) & (set(scene.names) - {AUTOMATIC})
        if not there:
            return ""
        ended = scene.status in {Status.SUCCESSFUL, Status.MISMATCHED}
        name = chance.choice(sorted(there))
        kind = chance.choice(["add", "drop", *(("delete", "double", "change") if ended else ())])
        # An undo misses nothing that may have expired, and nothing of what is not there.
        seen = ended and kind != "drop" and (name, kind) != (RESTING, "delete")
        scene.damage = Damage(seen, scene.events[-1].id)
        return _done(scene, target, name, kind, chance)
    finally:
        target.client.close()


def _done(scene: Scene, target: Side, name: str, kind: str, chance: random.Random) -> str:
    held = scene.lane.held[name]
    partition = chance.choice(list(held.partitions))
    key: Key = chance.choice([k for k in held.keys if name != TEXTS or partition in str(k)])
    if kind == "add":
        key = "zz" if name == TEXTS else chance.choice([-5_000, 5_000, 10**12])
    row = {**next(rows([key], text=kind)), **({"shelf": 1} if name == SHELVES else {})}
    if kind == "drop":
        target.drop(name)
    elif kind == "delete":
        listed = json.dumps([key])
        target.client.delete(name, filter=f"id in {listed}", partition_name=partition or None)
    elif kind == "change":
        target.client.upsert(name, [row], partition_name=partition)
    else:
        target.insert(name, [row], partition)
    return f"{kind} {key} in {name}/{partition}"
