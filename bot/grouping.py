"""Says once what holds of several collections: with hundreds of them the same sentence would hide all others. Pure."""

from collections.abc import Iterable, Sequence


def by_note(notes: Iterable[tuple[str, str]]) -> list[tuple[Sequence[str], str]]:
    """Each different note with the names that it is about, in the order in which they come.

    Args:
        notes: The name of a collection and what is said of it.
    """
    names: dict[str, list[str]] = {}
    for name, note in notes:
        names.setdefault(note, []).append(name)
    return [(found, note) for note, found in names.items()]
