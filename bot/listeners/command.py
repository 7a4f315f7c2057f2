"""The slash command `/migrate`: the form, the jobs, a freeze and its end, or how it is used."""

from collections.abc import Callable
from typing import Any, NamedTuple

from slack_bolt import Ack, App, Respond
from slack_sdk import WebClient

from bot import answers
from bot.listeners.desk import Desk
from bot.views import home, request_modal
from bot.views import text as t
from bot.views.request_modal import RequestForm

COMMAND = "/migrate"

HELP = (
    "*/migrate* opens the form: which database goes where. Somebody else approves it; then it runs, "
    "and its thread shows the progress.\n"
    "*/migrate jobs* lists the migrations.\n"
    "*/migrate freeze* and a reason: nothing starts until somebody types */migrate thaw*; what runs goes on.\n"
    "*/migrate help* shows this."
)
JOBS_SHOWN = 15


class Typed(NamedTuple):
    """What somebody typed behind the command: its first word, and the rest."""

    user_id: str
    word: str
    rest: str


def register(app: App, desk: Desk) -> None:
    """Listen for the command."""

    @app.command(COMMAND)
    def migrate(ack: Ack, command: dict[str, Any], client: WebClient, respond: Respond) -> None:
        ack()
        word, _, rest = str(command.get("text") or "").strip().partition(" ")
        if not word:
            open_form(desk, client, command["trigger_id"])
            return
        typed = Typed(command["user_id"], word, rest.strip())
        known = _WORDS.get(word.casefold())
        said = _unknown(desk, typed) if known is None else known(desk, typed)
        respond(**said)


def open_form(desk: Desk, client: WebClient, trigger_id: str) -> None:
    """Open the empty form; Slack takes the trigger for three seconds."""
    form = RequestForm()
    view = request_modal.build(
        form,
        clusters=desk.sources.clusters(),
        new_clusters=desk.settings.new_clusters is not None,
    )
    client.views_open(trigger_id=trigger_id, view=view)


def _help(_desk: Desk, _typed: Typed) -> dict[str, Any]:
    return {"text": HELP}


def _jobs(desk: Desk, _typed: Typed) -> dict[str, Any]:
    view = home.home_view(desk.cards.listed(JOBS_SHOWN), request_button=False)
    return {"text": "The migrations, newest first.", "blocks": view["blocks"]}


def _freeze(desk: Desk, typed: Typed) -> dict[str, Any]:
    answer = desk.service.freeze(typed.user_id, typed.rest)
    if not answer.done:
        return {"text": answers.ephemeral(answer, None)}
    channel = desk.settings.approvals_channel
    return {
        "text": f"Frozen: nothing starts until somebody types `{COMMAND} thaw`. <#{channel}> is told."
    }


def _thaw(desk: Desk, typed: Typed) -> dict[str, Any]:
    answer = desk.service.thaw(typed.user_id)
    if not answer.done:
        return {"text": answers.ephemeral(answer, None)}
    return {"text": "Thawed: what is approved and due starts by itself."}


def _unknown(_desk: Desk, typed: Typed) -> dict[str, Any]:
    word = t.code(f"{typed.word} {typed.rest}".strip(), 60)
    return {"text": f"{word} is not something that `{COMMAND}` knows. Nothing was done.\n{HELP}"}


_WORDS: dict[str, Callable[[Desk, Typed], dict[str, Any]]] = {
    "help": _help,
    "jobs": _jobs,
    "freeze": _freeze,
    "thaw": _thaw,
}
