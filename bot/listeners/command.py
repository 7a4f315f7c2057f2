"""The slash command `/migrate`: the form, the jobs, or how it is used. It changes nothing."""

from collections.abc import Callable
from typing import Any

from slack_bolt import Ack, App, Respond
from slack_sdk import WebClient

from bot.listeners.desk import Desk
from bot.views import home, request_modal
from bot.views import text as t
from bot.views.request_modal import RequestForm

COMMAND = "/migrate"

HELP = (
    "*/migrate* opens the form: which database goes where. Somebody else approves it; then it runs, "
    "and its thread shows the progress.\n"
    "*/migrate jobs* lists the migrations.\n"
    "*/migrate help* shows this."
)
JOBS_SHOWN = 15


def register(app: App, desk: Desk) -> None:
    """Listen for the command."""

    @app.command(COMMAND)
    def migrate(ack: Ack, command: dict[str, Any], client: WebClient, respond: Respond) -> None:
        ack()
        word = str(command.get("text") or "").strip()
        if not word:
            open_form(desk, client, command["trigger_id"])
            return
        _WORDS.get(word.casefold(), _unknown)(desk, word, respond)


def open_form(desk: Desk, client: WebClient, trigger_id: str) -> None:
    """Open the empty form; Slack takes the trigger for three seconds."""
    form = RequestForm()
    view = request_modal.build(
        form,
        clusters=desk.sources.clusters(),
        new_clusters=desk.settings.new_clusters is not None,
    )
    client.views_open(trigger_id=trigger_id, view=view)


def _help(_desk: Desk, _word: str, respond: Respond) -> None:
    respond(text=HELP)


def _jobs(desk: Desk, _word: str, respond: Respond) -> None:
    view = home.home_view(desk.cards.listed(JOBS_SHOWN), request_button=False)
    respond(text="The migrations, newest first.", blocks=view["blocks"])


def _unknown(_desk: Desk, word: str, respond: Respond) -> None:
    respond(
        text=f"{t.code(word, 60)} is not a word that `{COMMAND}` knows. Nothing was done.\n{HELP}"
    )


_WORDS: dict[str, Callable[[Desk, str, Respond], None]] = {"help": _help, "jobs": _jobs}
