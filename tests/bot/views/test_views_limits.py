"""Whatever people, servers and keys are called, and however many there are: every message is one that Slack takes."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from bot.views import buttons, freeze, home
from bot.views import message as m
from bot.views.card import Decision
from bot.views.details import details_view
from bot.views.home import JOBS, Frozen, HomePage, HomeState, Job, Notice, home_view
from bot.views.jobs import jobs_message
from bot.views.progress import progress_message
from bot.views.refusals import REASONS, refusal
from bot.views.replies import reply
from bot.views.report import findings_file, report_message
from bot.views.root import root_message
from engine.lifecycle import EventName, Status
from engine.model import (
    CollectionProgress,
    CollectionReport,
    Endpoint,
    ErrorText,
    Mismatch,
    MismatchKind,
    OnConflict,
    Replaced,
    Request,
)

NASTY = ("&", "<", ">", "`", "*", "\n", "\u202e", "😀", "<!channel>", "<@U01ALICE>", "a")
PARTS = st.tuples(st.sampled_from((*NASTY, "word ")), st.integers(1, 255))
PART = PARTS.map(lambda part: part[0] * part[1])
NAME = st.lists(PART, min_size=1, max_size=3).map(lambda parts: "".join(parts)[:255])
PROSE = st.lists(PART, max_size=6).map("".join)
SIZES = st.sampled_from((0, 1, 2, 30, 31, 200))
COUNT = st.integers(0, 10**15)
ENDS = (Status.SUCCESSFUL, Status.MISMATCHED, Status.FAILED, Status.CANCELED)
WORST = "&" * 255
"""The longest name that Milvus takes, of the character whose escape is the longest."""

WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""A failure shows itself by its message; making a card of 200 collections smaller would take minutes."""

relaxed = settings(
    max_examples=40,
    deadline=None,
    phases=WITHOUT_SHRINKING,
    suppress_health_check=list(HealthCheck),
)


@st.composite
def requests(draw: Any) -> Request:
    """A request between two databases of any name."""
    ends = [Endpoint(name=draw(NAME), uri="http://x", database=draw(NAME)) for _ in range(2)]
    policy = draw(st.sampled_from(OnConflict))
    return Request(source=ends[0], target=ends[1], on_conflict=policy)


REPLACED = st.builds(Replaced, id=COUNT, entities=COUNT, exact=st.booleans())


@st.composite
def cards(draw: Any, samples: Any) -> Any:
    """A card in any state with any texts, with up to 200 collections and up to 12 decisions."""
    replaces, loss = draw(st.none() | REPLACED), draw(st.lists(PROSE, max_size=3))
    name, entities = draw(NAME), draw(COUNT)
    collections = [
        samples.collection(f"{n}{name}", entities, replaces=replaces, losses=tuple(loss))
        for n in range(draw(SIZES))
    ]
    request = draw(requests())
    plan = samples.plan(*collections, request=request, losses=(draw(PROSE),))
    error = ErrorText(code="E", message=draw(PROSE), state=draw(PROSE), next_step=draw(PROSE))
    decision = Decision(
        user_id=draw(NAME),
        role=draw(PROSE),
        verdict="approved",
        at=samples.now,
        comment=draw(PROSE),
    )
    return samples.card(
        draw(st.sampled_from(Status)),
        request=request,
        plan=plan,
        reason=draw(PROSE),
        requester=draw(NAME),
        error=draw(st.none() | st.just(error)),
        decisions=(decision,) * draw(st.integers(0, 12)),
        warning=draw(PROSE),
        approvers=draw(PROSE),
    )


MISMATCH = st.builds(
    Mismatch,
    partition=NAME,
    pk=NAME | st.integers(-(2**63), 2**63 - 1),
    kind=st.sampled_from(MismatchKind),
    fields=st.tuples(NAME, st.integers(0, 70)).map(lambda drawn: (drawn[0],) * drawn[1]),
)


@st.composite
def reports(draw: Any, samples: Any) -> Any:
    """A report of any outcome, with up to 200 collections of any findings."""
    line = CollectionReport(
        name=draw(NAME),
        source_entities=draw(COUNT),
        target_entities=draw(st.none() | COUNT),
        verified=draw(st.booleans()),
        missing=draw(COUNT),
        examples=(draw(MISMATCH), draw(MISMATCH)) * draw(st.integers(0, 10)),
        notes=(draw(PROSE),) * draw(st.integers(0, 9)),
    )
    error = ErrorText(code="E", message=draw(PROSE), state=draw(PROSE), next_step=draw(PROSE))
    return samples.report(
        draw(st.sampled_from(ENDS)),
        collections=(line,) * draw(SIZES),
        losses=(draw(PROSE),) * draw(st.integers(0, 30)),
        error=error,
    )


def assert_no_injection(rendered: Any) -> None:
    """No markup came out of a name, a key or a reason: what a broadcast would need is nowhere in mrkdwn."""
    assert "<!channel>" not in "".join(mrkdwn(rendered))


def mrkdwn(node: Any) -> list[str]:
    """Every text that Slack would interpret."""
    if isinstance(node, dict):
        own = [node["text"]] if node.get("type") == "mrkdwn" else []
        return own + [text for value in node.values() for text in mrkdwn(value)]
    if isinstance(node, list | tuple):
        return [text for value in node for text in mrkdwn(value)]
    return []


@relaxed
@given(data=st.data())
def test_the_root_message_keeps_the_limits(data: Any, samples: Any, accepted: Any) -> None:
    """In any state, with any names, texts and up to 200 collections."""
    message = root_message(data.draw(cards(samples)))
    accepted(message)
    assert_no_injection(message)
    assert "<!channel>" not in message.text


@relaxed
@given(data=st.data())
def test_the_progress_message_keeps_the_limits(data: Any, samples: Any, accepted: Any) -> None:
    """With any names, figures beyond what was planned, and up to 200 collections."""
    lines = [
        CollectionProgress(
            name=name, entities=data.draw(COUNT), copied=data.draw(COUNT), phase=name
        )
        for name in data.draw(st.lists(NAME, max_size=4))
    ]
    progress = samples.progress(
        data.draw(COUNT),
        data.draw(COUNT),
        entities=data.draw(COUNT),
        phase=data.draw(NAME),
        seconds=data.draw(st.floats(allow_nan=True)),
        collections=tuple(lines) * data.draw(SIZES),
    )
    now = samples.now + timedelta(seconds=data.draw(st.integers(-(10**6), 10**8)))
    message = progress_message(data.draw(cards(samples)), progress, now)
    accepted(message)
    assert_no_injection(message)
    assert "nan" not in message.text


@relaxed
@given(data=st.data())
def test_the_report_keeps_the_limits(data: Any, samples: Any, accepted: Any) -> None:
    """With any findings, notes and losses; the file has one line for each example."""
    report = data.draw(reports(samples))
    message = report_message(data.draw(cards(samples)), report)
    accepted(message)
    assert_no_injection(message)
    text = findings_file(report.model_copy(update={"collections": report.collections[:1]}))
    text.encode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == sum(len(c.examples) for c in report.collections[:1])


@relaxed
@given(data=st.data())
def test_replies_and_refusals_keep_the_limits(data: Any, samples: Any, accepted: Any) -> None:
    """Every event and every reason, with any actor, role and comment."""
    card = data.draw(cards(samples))
    details = {name: data.draw(PROSE) for name in ("role", "comment", "reason", "phase")}
    said = reply(
        card, samples.event(data.draw(st.sampled_from(EventName)), data.draw(NAME), **details)
    )
    assert said is not None
    accepted(said)
    assert_no_injection(said)
    reason = data.draw(st.sampled_from(sorted(REASONS)))
    refused = refusal(reason, card, by=data.draw(NAME), sentence=details["reason"])
    assert "<!channel>" not in refused
    assert len(refused) <= 3_900
    refused.encode()


def named(job: Job, number: int) -> Job:
    """The same job under a name of its own."""
    migration = job.card.migration.model_copy(update={"id": f"M-{number:07}"})
    return job._replace(card=job.card.model_copy(update={"migration": migration}))


@relaxed
@given(data=st.data())
def test_the_home_tab_keeps_the_limits(data: Any, samples: Any, accepted: Any) -> None:
    """A page of any jobs, each with all its buttons, under a freeze and with the answer to a click."""
    job = Job(data.draw(cards(samples)), buttons.ACTION_IDS)
    jobs = tuple(named(job, number) for number in range(data.draw(st.integers(0, JOBS))))
    said = data.draw(NAME)
    page = HomePage(
        samples.now,
        jobs,
        HomeState(target=said),
        newer=JOBS,
        total=1_000,
        freeze=Frozen("U02BOB", said, samples.now, said),
        offered=(home.NEW_REQUEST, freeze.FREEZE, freeze.THAW),
        notice=Notice("Too late.", job.card.migration.id),
    )
    view = home_view(page)
    accepted(view)
    assert_no_injection(view)
    message = jobs_message([job.card] * data.draw(st.integers(0, 60)), total=1_000)
    accepted(message)
    assert_no_injection(message)
    modal = details_view(job.card, [samples.event("fail", said, reason=said)] * 50, "http://x/y")
    accepted(modal)
    assert_no_injection(modal)


UNCOUNTED = Replaced(id=2**63 - 1, entities=10**15, exact=False)
WORST_ERROR = ErrorText(code="E", message=WORST * 9, state=WORST * 9, next_step=WORST * 9)


def worst_card(samples: Any, status: Status) -> Any:
    """200 collections with names of 255 `&`, each with a deletion and losses, and texts of any length."""
    ends = [Endpoint(name="&" * 48, uri="http://x", database=WORST) for _ in range(2)]
    request = Request(source=ends[0], target=ends[1], on_conflict=OnConflict.REPLACE)
    collections = [
        samples.collection(f"{n:03}{WORST[3:]}", replaces=UNCOUNTED, losses=(WORST * 2,))
        for n in range(200)
    ]
    return samples.card(
        status,
        request=request,
        plan=samples.plan(*collections, request=request),
        reason="<" * 3_000,
        warning=">" * 3_000,
        approvers="<@U02BOB> " * 400,
        error=WORST_ERROR,
    )


@pytest.mark.parametrize("status", Status)
def test_the_worst_card_leaves_room(samples: Any, accepted: Any, status: Status) -> None:
    """Root message of the worst card: a twentieth of the room is still free."""
    message = root_message(worst_card(samples, status))
    accepted(message)
    assert m.characters(message) <= 0.95 * m.MESSAGE_CHARS


def test_the_worst_dialogs_are_not_cut(samples: Any) -> None:
    """However many and however long the names of what is deleted: the dialogs of Approve and Undo end as they should."""
    card = worst_card(samples, Status.SUCCESSFUL)
    text = buttons.approve(card)["confirm"]["text"]["text"]
    deleted = "200 collections, 200,000,000,000,000,000 entities, not all counted"
    assert f"Will be DELETED there: {deleted}." in text
    assert text.endswith("must be paused.")
    undone = buttons.undo(card)["confirm"]["text"]["text"]
    assert "NOT brought back: 200 collections." in undone
    assert undone.endswith("The source is not touched.")


@pytest.mark.parametrize("status", ENDS)
def test_the_worst_report_leaves_room(samples: Any, accepted: Any, status: Status) -> None:
    """Report of 200 collections with the longest names, keys, notes, losses and failure."""
    mismatch = Mismatch(
        partition=WORST, pk=WORST * 100, kind=MismatchKind.DIFFERENT, fields=(WORST,) * 64
    )
    line = CollectionReport(
        name=WORST,
        source_entities=10**15,
        target_entities=10**15,
        missing=10**15,
        extra=10**15,
        different=10**15,
        examples=(mismatch,) * 20,
        notes=(WORST,) * 3,
    )
    report = samples.report(
        status, collections=(line,) * 200, losses=(WORST,) * 99, error=WORST_ERROR
    )
    message = report_message(worst_card(samples, status), report)
    accepted(message)
    assert m.characters(message) <= 0.95 * m.MESSAGE_CHARS


def test_the_worst_progress_leaves_room(samples: Any, accepted: Any) -> None:
    """Progress of 200 collections with the longest names and figures."""
    line = CollectionProgress(name=WORST, entities=10**15, copied=10**15, phase="verifying")
    progress = samples.progress(10**15, entities=10**15, collections=(line,) * 200)
    message = progress_message(worst_card(samples, Status.RUNNING), progress, samples.now)
    accepted(message)
    assert m.characters(message) <= 0.95 * m.MESSAGE_CHARS


@example("1111111<&>11", 11)
@given(st.text("<>&;@U1 ab", max_size=60), st.integers(2, 40))
def test_a_cut_never_falls_inside_markup(text: str, limit: int) -> None:
    """What the blocks cut off ends before a mention, a date or an escape that does not fit."""
    cut = m.mrkdwn(text, limit)["text"]
    assert len(cut) <= limit
    if cut != text:
        kept = cut.removesuffix("…")
        assert text.startswith(kept)
        assert kept.rfind("<") <= kept.rfind(">")
