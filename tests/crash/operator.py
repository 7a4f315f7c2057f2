"""Someone who operates the target and moves aliases: Ferry takes none back, and drops nothing that he gave one to."""

import random
from collections.abc import Iterator

from tests.crash.promises import Scene
from tests.crash.walk_lane import ALIASES, OTHERS
from tests.engine.bed import Side

ADDED = "operators_own"


def realias(scene: Scene, chance: random.Random) -> str:
    """Adds an alias to what the migration made, or takes a planned one away; returns what he did."""
    if not scene.is_there():
        return ""
    target = scene.target()
    try:
        acts = list(_possible(scene, target))
        if not acts:
            return ""
        kind, name, alias = chance.choice(acts)
        _do(scene, target, kind, name, alias)
        return f"{kind} the alias {alias} of {name}"
    finally:
        target.client.close()


def _possible(scene: Scene, target: Side) -> Iterator[tuple[str, str, str]]:
    states = scene.lane.ledger.collection_states(scene.run.id)
    made = {state.name for state in states if state.target_id is not None}
    there = made & set(target.client.list_collections())
    present = {name: target.client.describe_collection(name)["aliases"] for name in there}
    if there and not scene.added:
        yield "add", min(there), ADDED
    for name in sorted(set(ALIASES) & set(scene.names)):
        for alias in ALIASES[name]:
            if alias in present.get(name, ()):
                yield "drop", name, alias
                if scene.has_others:
                    yield "move", name, alias
            elif scene.has_others and alias not in scene.taken:
                yield "take", name, alias


def _do(scene: Scene, target: Side, kind: str, name: str, alias: str) -> None:
    scene.realiased.add(name)
    if kind == "add":
        target.client.create_alias(name, alias)
        scene.added = name
    elif kind == "drop":
        target.client.drop_alias(alias)
    else:
        act = target.client.alter_alias if kind == "move" else target.client.create_alias
        act(OTHERS, alias)
        scene.taken.add(alias)


def give_back(scene: Scene) -> None:
    """He takes his hands off: what he gave to others, or added, is no alias any more."""
    target = scene.target() if scene.taken or scene.added else None
    if target is None:
        return
    for alias in scene.taken:
        target.client.drop_alias(alias)
    if scene.added in target.client.list_collections():
        target.client.drop_alias(ADDED)
    scene.taken.clear()
    scene.added = ""
    target.client.close()
