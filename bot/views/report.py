"""The verification report: the message with the verdict and the first findings, and the file with all of them.

It shows what a `Report` says and judges nothing itself. It never shows an entity's values, only keys and field names.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from bot.grouping import by_note
from bot.views import buttons
from bot.views import message as m
from bot.views import text as t
from bot.views.card import EMOJI, MigrationCard, place_plain, route
from bot.views.standing import failure, failure_lines, report_verdict, stays_behind
from engine.model import CollectionReport, Mismatch, MismatchKind, Outcome, Report

ROWS = 25
EXAMPLES = 12
LINES = 8
NAMED = 3

SIGILS: dict[MismatchKind, str] = {
    MismatchKind.DIFFERENT: "*",
    MismatchKind.EXTRA: "-",
    MismatchKind.MISSING: "+",
}
"""As `rclone check --combined` writes them: seen from the source, what must be changed, added or taken away on the target."""

LEGEND = (
    "# One finding a line: sign, collection, partition, primary key (as JSON), fields that differ, reason; separated by tabs.",
    "#   *  different: the entity is on both sides, but not the same",
    "#   +  missing: it is in the source, not on the target",
    "#   -  extra: it is on the target, not in the source",
)


def report_message(card: MigrationCard, report: Report) -> m.Message:
    """The report as a thread message: verdict, table, first mismatches, notes, and what can be done now."""
    word = str(report.status)
    return m.message(
        _sentence(card, report),
        m.section(f"{EMOJI.get(word, ':memo:')} *{t.clip(word, 40)}* · {route(card)}"),
        m.section(_lines(card, report)),
        _collections(report),
        _hidden(report),
        _examples(report),
        _notes(report),
        _losses(report),
        _figures(report),
        m.actions("acts", *_buttons(card)),
        m.context(t.code(card.migration.id)),
    )


def _sentence(card: MigrationCard, report: Report) -> str:
    places = f"{place_plain(card.source)} to {place_plain(card.target)}"
    subject = t.escape(f"migration {card.migration.id} of {places}")
    return f"{t.clip(str(report.status), 40)}: {subject}. {_verdict(card, report)}"


def _verdict(card: MigrationCard, report: Report) -> str:
    match report.status:
        case Outcome.FAILED:
            return failure(card, report.error)
        case Outcome.CANCELED:
            return f"Canceled before the verification was complete. {stays_behind(card)}"
        case Outcome.MISMATCHED:
            return f"{report_verdict(report)} {_advice(report)}"
        case _:
            return report_verdict(report)


def _lines(card: MigrationCard, report: Report) -> str:
    if report.status == Outcome.FAILED:
        return failure_lines(card, report.error)
    return _verdict(card, report)


def _advice(report: Report) -> str:
    if report.error and report.error.next_step:
        return t.sentence(t.clip(t.prose(report.error.next_step), 600))
    return "The source was only read. Do not switch over yet: find out what changed the target, then press Repair or Re-migrate."


def _collections(report: Report) -> m.Block | None:
    columns = (
        m.Column("Collection"),
        m.Column("Verdict"),
        m.Column("Missing", numeric=True),
        m.Column("Extra", numeric=True),
        m.Column("Different", numeric=True),
        m.Column("In source", numeric=True),
        m.Column("On target", numeric=True),
    )
    return m.table(columns, [_row(c) for c in _worst_first(report)[:ROWS]])


def _row(collection: CollectionReport) -> tuple[str, ...]:
    target = collection.target_entities
    return (
        collection.name,
        collection_verdict(collection),
        t.number(collection.missing),
        t.number(collection.extra),
        t.number(collection.different),
        t.number(collection.source_entities),
        "–" if target is None else t.number(target),
    )


def collection_verdict(collection: CollectionReport) -> str:
    """MISMATCHED, VERIFIED or NOT VERIFIED."""
    if collection.missing or collection.extra or collection.different:
        return "MISMATCHED"
    return "VERIFIED" if collection.verified else "NOT VERIFIED"


def _worst_first(report: Report) -> list[CollectionReport]:
    """Mismatched, then unverified, then the rest in their own order: what needs a person is never below the fold."""
    order = {"MISMATCHED": 0, "NOT VERIFIED": 1, "VERIFIED": 2}
    return sorted(report.collections, key=lambda c: order[collection_verdict(c)])


def _hidden(report: Report) -> m.Block | None:
    hidden = _worst_first(report)[ROWS:]
    if not hidden:
        return None
    verdicts = [collection_verdict(collection) for collection in hidden]
    kinds = [f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts)]
    return m.context(f"and {t.counted(len(hidden), 'more collection')}: {', '.join(kinds)}")


def _examples(report: Report) -> m.Block | None:
    found = tuple(islice(_all_examples(report), EXAMPLES))
    total = sum(c.missing + c.extra + c.different for c in report.collections)
    if not found:
        return None
    lines = [_example(name, mismatch) for name, mismatch in found]
    shown = t.listing(lines, first=EXAMPLES, limit=1_600, rest=", see the file", total=total)
    return m.section(f"*First mismatches*\n{shown}")


def _all_examples(report: Report) -> Iterator[tuple[str, Mismatch]]:
    for collection in _worst_first(report):
        for mismatch in collection.examples:
            yield collection.name, mismatch


def _example(collection: str, mismatch: Mismatch) -> str:
    partition = f" / {t.code(mismatch.partition, 40)}" if mismatch.partition else ""
    names = ", ".join(t.code(name, 32) for name in mismatch.fields[:4])
    more = f" and {len(mismatch.fields) - 4} more" if len(mismatch.fields) > 4 else ""  # noqa: PLR2004  # as many as fit a line
    what = f"*{mismatch.kind.value}*" + (f" in {names}{more}" if names else "")
    return f"{what}: {t.code(collection, 48)}{partition} key {t.code(key_text(mismatch), 64)}"


def key_text(mismatch: Mismatch) -> str:
    """A primary key as JSON: `42` is a number, `"42"` a string, and every character can be told apart."""
    return json.dumps(mismatch.pk, ensure_ascii=False)


def _notes(report: Report) -> m.Block | None:
    notes = by_note((c.name, note) for c in _worst_first(report) for note in c.notes)
    if not notes:
        return None
    lines = [f"{_named(names)}: {t.clip(t.prose(note), 200)}" for names, note in notes[:LINES]]
    shown = t.listing(lines, first=LINES, limit=900, total=len(notes))
    return m.section(f"*Notes*\n{shown}")


def _named(names: Sequence[str]) -> str:
    more = f" and {t.number(len(names) - NAMED)} more" if len(names) > NAMED else ""
    return ", ".join(t.code(name, 48) for name in names[:NAMED]) + more


def _losses(report: Report) -> m.Block | None:
    if not report.losses:
        return None
    lines = [t.clip(t.visible(loss), 200) for loss in report.losses[:LINES]]
    shown = t.listing(lines, first=LINES, limit=900, total=len(report.losses))
    return m.section(f"*Not carried, as approved*\n{shown}")


def _figures(report: Report) -> m.Block | None:
    if not report.entities:
        return None
    copied = f"{t.entities(report.entities)} copied, {t.size(report.bytes)}"
    rate = f"{t.per_second(report.entities_per_second)} entities/s"
    return m.context(f"{copied} at {rate}; {t.duration(report.seconds)} in all")


def _buttons(card: MigrationCard) -> tuple[m.Block, ...]:
    return tuple(buttons.for_status(card)) if card.ended else ()


def content_of(message: m.Message) -> str:
    """A report without its buttons, to be kept: what it says is of that day, and the ledger moves on."""
    kept = [block for block in message.blocks if block["type"] != "actions"]
    return json.dumps({"text": message.text, "blocks": kept})


def report_again(card: MigrationCard, content: str, *, latest: bool) -> m.Message:
    """A report after something else happened: as it was, with the buttons only while the migration stands as it says.

    Args:
        card: The migration as it stands now.
        content: From `content_of`.
        latest: Whether nothing happened to the migration since the event that this edit is for.
    """
    kept = json.loads(content)
    stands = latest and card.word in {Outcome.SUCCESSFUL, Outcome.MISMATCHED}
    outdated = (
        ":hourglass: *Outdated:* something was asked of this migration after this report. "
        "Its first message says how it stands now, and has the buttons that do something."
    )
    more = m.actions("acts", *_buttons(card)) if stands else m.context(outdated)
    *said, footer = kept["blocks"]
    return m.Message(kept["text"], [*said, *([more] if more else []), footer])


def findings_file(
    report: Report, mismatches: Mapping[str, Iterable[Mismatch]] | None = None
) -> str:
    """All findings as a text file, one a line, with a legend.

    Args:
        report: The report whose findings they are.
        mismatches: All mismatches by collection, from the ledger; without them, the report's examples.
    """
    found = mismatches
    if found is None:
        found = {collection.name: collection.examples for collection in report.collections}
    head = f"# Migration {t.visible(report.migration or '-')}: {report.status}"
    lines = [_finding(name, each) for name, all_of_it in found.items() for each in all_of_it]
    return "\n".join((head, *LEGEND, *(lines or ["# no findings"]))) + "\n"


def _finding(collection: str, mismatch: Mismatch) -> str:
    key = json.dumps(mismatch.pk)
    names = ",".join(t.visible(name) for name in mismatch.fields)
    parts = (
        SIGILS[mismatch.kind],
        t.visible(collection),
        t.visible(mismatch.partition),
        key,
        names,
        mismatch.reason or "",
    )
    return "\t".join(parts).rstrip("\t")
