"""The slash command `/migrate`: the form, the jobs, the acts of the buttons by typing, a freeze and its end, or how it is used.

Answers are seen by the person alone. Who may do what is the service's to decide; nothing is decided here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from slack_bolt import Ack, App, BoltContext, Respond
from slack_sdk import WebClient

from bot import answers, throttles
from bot.approvals import Reason
from bot.listeners import reshaping, route
from bot.listeners.desk import Desk
from bot.service import Answer, Click
from bot.views import text as t
from bot.views.card import MigrationCard
from bot.views.doctor import Looked, doctor_message
from bot.views.jobs import SHOWN, jobs_message
from bot.views.request_modal import RequestForm
from bot.views.standing import headline
from bot.views.status import status_message
from bot.views.undo import undo_text
from engine.errors import InputRejected
from engine.ledger import normal_id

COMMAND = "/migrate"
YES: Final = "yes"
UNDO_CHARS: Final = 2_000
"""How long the names of what an undo would drop may become."""


class Typed(NamedTuple):
    """What somebody typed behind the command.

    Attributes:
        user_id: Who.
        word: The first word.
        rest: What stands behind it.
        delivery: What Slack sent.
        later: `respond`, for what takes longer than an answer may.
    """

    user_id: str
    word: str
    rest: str
    delivery: str = ""
    later: Callable[..., Any] | None = None


class Word(NamedTuple):
    """A word that the command knows.

    Attributes:
        does: What it does, for the help: the end of a sentence.
        act: Does it; its result is the answer for `respond`, which is not called when there is none.
        takes: What has to stand behind it, as the help names it.
    """

    does: str
    act: Callable[[Desk, Typed], dict[str, Any]]
    takes: str = ""


def register(app: App, desk: Desk) -> None:
    """Listen for the command."""

    @app.command(COMMAND)
    def migrate(
        ack: Ack, command: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext
    ) -> None:
        ack()
        word, _, rest = str(command.get("text") or "").strip().partition(" ")
        if not word:
            open_form(desk, client, command["trigger_id"])
            return
        form = _filled_in(desk, word, rest)
        if form is not None:
            open_form(desk, client, command["trigger_id"], form)
            return
        typed = Typed(command["user_id"], word, rest.strip(), context["delivery"], respond)
        said = answered(desk, typed)
        if said:
            respond(**said)


def answered(desk: Desk, typed: Typed) -> dict[str, Any]:
    """Do what the word says; the answer as `respond` takes it, empty when the same delivery was answered before."""
    known = _WORDS.get(typed.word.casefold())
    return _unknown(desk, typed) if known is None else known.act(desk, typed)


def open_form(
    desk: Desk, client: WebClient, trigger_id: str, form: RequestForm | None = None
) -> None:
    """Open the form, empty or filled in; Slack takes the trigger for three seconds."""
    reshaping.open_form(desk, client, trigger_id, form or RequestForm())


def _filled_in(desk: Desk, word: str, rest: str) -> RequestForm | None:
    """The form for SOURCE and TARGET; None when the first word is one of the command's own, or they name nothing."""
    if word.casefold() in _WORDS:
        return None
    return route.form_of(f"{word} {rest}", desk.settings)


def _help(_desk: Desk, _typed: Typed) -> dict[str, Any]:
    return {"text": HELP}


def _jobs(desk: Desk, _typed: Typed) -> dict[str, Any]:
    return dict(jobs_message(*desk.cards.newest(SHOWN))._asdict())


def _freeze(desk: Desk, typed: Typed) -> dict[str, Any]:
    answer = desk.service.freeze(typed.user_id, typed.rest, typed.delivery)
    channel = desk.settings.approvals_channel
    done = f"Frozen: nothing starts until somebody types `{COMMAND} thaw`. <#{channel}> is told."
    return _said_of_all(answer, done)


def _thaw(desk: Desk, typed: Typed) -> dict[str, Any]:
    answer = desk.service.thaw(typed.user_id, typed.delivery)
    return _said_of_all(answer, "Thawed: what is approved and due starts by itself.")


def _said_of_all(answer: Answer, done: str) -> dict[str, Any]:
    """What the person is told of an act about no migration; nothing when it was answered before."""
    if answer.reason is Reason.DUPLICATE:
        return {}
    return {"text": done if answer.done else answers.ephemeral(answer, None)}


def _doctor(desk: Desk, typed: Typed) -> dict[str, Any]:
    """Begins to look at every part; what is found is answered when all of it is known."""
    if typed.rest:
        return {"text": f"{_usage('doctor', _WORDS['doctor'])}\nNothing was done."}
    answer = desk.service.may_examine(typed.user_id)
    if not answer.done:
        return {"text": answers.ephemeral(answer, None)}
    respond = typed.later

    def look() -> None:
        found = [
            Looked(each.subject, each.said, well=each.exit_code == 0) for each in desk.examine()
        ]
        if respond is not None:
            respond(replace_original=False, **doctor_message(found)._asdict())

    desk.soon(look)
    return {
        "text": "Looking at Slack, the channel, roles, clusters and database. What is found comes here within a minute or two."
    }


def _undo(desk: Desk, typed: Typed) -> dict[str, Any]:
    """Says what an undo drops; with "yes" behind the id, it is asked for."""
    migration_id, _, word = typed.rest.partition(" ")
    if not migration_id or word.strip().casefold() not in {"", YES}:
        usage = _usage("undo", _WORDS["undo"])
        return {"text": f"{usage}\nNothing was done. `{COMMAND} jobs` shows the IDs."}
    click = Click(typed.user_id, normal_id(migration_id), typed.delivery)
    if word:
        return _said(desk, desk.service.undo(click), headline)

    def asks(card: MigrationCard) -> str:
        do = f"`{COMMAND} undo {card.migration.id} {YES}`"
        what = t.escape(undo_text(card, UNDO_CHARS))
        return f"{t.code(card.migration.id)}: an undo {what}\nNothing was done. To do it, type {do}"

    return _said(desk, desk.service.may_undo(click), asks)


def _unknown(desk: Desk, typed: Typed) -> dict[str, Any]:
    said = f"{typed.word} {typed.rest}".strip()
    wrong = route.wrong(said, desk.settings)
    if wrong:
        return {"text": f"{wrong} Nothing was done."}
    there = route.clusters(desk.settings)
    unknown = f"{t.code(said, 60)} is not something that `{COMMAND}` knows. Nothing was done."
    return {"text": f"{unknown}\n{HELP}\n{there}"}


def _of_one(work: Callable[[Desk, Typed, str], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """What is about one migration: its id stands behind the word, and nothing else does."""

    def act(desk: Desk, typed: Typed) -> dict[str, Any]:
        if len(typed.rest.split()) != 1:
            name = typed.word.casefold()
            usage = _usage(name, _WORDS[name])
            return {"text": f"{usage}\nNothing was done. `{COMMAND} jobs` shows the IDs."}
        return work(desk, typed, normal_id(typed.rest))

    return act


def _status(desk: Desk, _typed: Typed, migration_id: str) -> dict[str, Any]:
    try:
        return dict(status_message(desk.cards.card(migration_id))._asdict())
    except InputRejected as error:
        unknown = Answer(Reason.UNKNOWN_MIGRATION, sentence=error.message)
        return {"text": answers.ephemeral(unknown, None)}


def _steering(
    of: Callable[[Desk], Callable[[Click], Answer]],
) -> Callable[..., dict[str, Any]]:
    """An act of the service by typing: the same as its button, answered with how the migration stands now."""

    def work(desk: Desk, typed: Typed, migration_id: str) -> dict[str, Any]:
        answer = of(desk)(Click(typed.user_id, migration_id, typed.delivery))
        return _said(desk, answer, headline)

    return _of_one(work)


def _throttle(desk: Desk, typed: Typed) -> dict[str, Any]:
    migration_id, _, limit = typed.rest.partition(" ")
    try:
        throttle = throttles.parsed(limit)
    except InputRejected as error:
        usage = _usage("throttle", _WORDS["throttle"])
        said = f"{usage}\n{t.escape(error.message)} {error.next_step} Nothing was done."
        return {"text": said}
    click = Click(typed.user_id, normal_id(migration_id), typed.delivery)
    limited = f"copies at most {throttle}" if throttle else "copies as fast as it can"
    answer = desk.service.throttle(click, throttle)
    return _said(desk, answer, lambda card: f"{t.code(card.migration.id)} {limited}.")


def _said(desk: Desk, answer: Answer, done: Callable[[MigrationCard], str]) -> dict[str, Any]:
    """What the person is told of what they typed; nothing when it was answered before."""
    if answer.reason is Reason.DUPLICATE:
        return {}
    card = desk.cards.card_of(answer.migration) if answer.migration else None
    if card is not None and answer.done:
        return {"text": done(card)}
    return {"text": answers.ephemeral(answer, card)}


_WORDS: Final[Mapping[str, Word]] = {
    "jobs": Word("lists the migrations", _jobs),
    "status": Word("shows how one stands", _of_one(_status), "ID"),
    "cancel": Word(
        "stops it; what was copied stays on the target", _steering(lambda d: d.service.cancel), "ID"
    ),
    "pause": Word("lets it rest until it is resumed", _steering(lambda d: d.service.pause), "ID"),
    "resume": Word(
        "lets it go on from what is already copied", _steering(lambda d: d.service.resume), "ID"
    ),
    "retry": Word(
        "tries again what failed or was canceled, and mends just the entities that differ where it is MISMATCHED",
        _steering(lambda d: d.service.retry),
        "ID",
    ),
    "repair": Word(
        "copies or deletes just the entities that differ on the target, and proves them",
        _steering(lambda d: d.service.repair),
        "ID",
    ),
    "verify": Word(
        "compares what an ended one made with all of the source once more; nothing is copied",
        _steering(lambda d: d.service.verify),
        "ID",
    ),
    "undo": Word(
        f"says what of an ended one would be dropped on the target; with *{YES}* behind the ID, drops it",
        _undo,
        f"ID [{YES}]",
    ),
    "throttle": Word(
        "limits how fast it copies, entities or megabytes per second, also while it runs",
        _throttle,
        f"ID {throttles.TAKES}",
    ),
    "freeze": Word(
        "lets nothing start until somebody types */migrate thaw*; what runs goes on",
        _freeze,
        "[reason]",
    ),
    "thaw": Word("ends a freeze", _thaw),
    "doctor": Word(
        "looks whether Slack, roles, clusters and database are as they should be", _doctor
    ),
    "help": Word("shows this", _help),
}


def _usage(name: str, word: Word) -> str:
    return f"*{t.joined((COMMAND, name, word.takes))}* {word.does}."


_FORM: Final = (
    f"*{COMMAND}* opens the form: which database goes where. Somebody else approves it; then it runs, "
    "and its thread shows the progress.\n"
    f"*{COMMAND} {route.USAGE}* opens it filled in; each is a cluster, or `cluster/database`."
)
HELP: Final = "\n".join((_FORM, *(_usage(name, word) for name, word in _WORDS.items())))
