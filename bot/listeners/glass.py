"""Breaking the glass: the button opens a dialog that asks why, for who may; sent, it is one act of the service, decided anew.

The dialog opens before Slack is asked for roles, which may take longer than the three seconds of the click's trigger.
"""

from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient

from bot import answers
from bot.approvals import BREAK_GLASS_REASON_MIN, Reason
from bot.listeners.desk import Desk, Where, fill, open_waiting, where_of, whisper
from bot.service import Click
from bot.views import break_glass, buttons, waiting_modal
from bot.views.card import parse_action_value


def register(app: App, desk: Desk) -> None:
    """Listen for the button and for the dialog."""

    @app.action(buttons.BREAK_GLASS)
    def clicked(
        ack: Ack,
        action: dict[str, Any],
        body: dict[str, Any],
        client: WebClient,
        context: BoltContext,
    ) -> None:
        ack()
        value = parse_action_value(str(action.get("value") or ""))
        where = where_of(body)
        asks = "Slack is asked which roles you have."
        opened = open_waiting(client, context, body, break_glass.TITLE, asks)
        click = Click(where.user_id, value.migration_id, context["delivery"])
        answer = desk.service.may_break_glass(click, value.about)
        if answer.reason is Reason.DUPLICATE:
            return
        card = desk.cards.card_of(answer.migration) if answer.migration else None
        view = (
            break_glass.form(card, where.channel, where.thread_ts)
            if card is not None and answer.done
            else waiting_modal.said(break_glass.TITLE, answers.ephemeral(answer, card))
        )
        fill(client, opened, view)

    @app.view(break_glass.CALLBACK_ID)
    def sent(ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        asked = break_glass.asked(body["view"])
        if len(asked.reason.strip()) < BREAK_GLASS_REASON_MIN:
            ack(response_action="errors", errors={break_glass.REASON: "Say why, in a sentence."})
            return
        ack()
        value = parse_action_value(asked.value)
        click = Click(body["user"]["id"], value.migration_id, context["delivery"])
        answer = desk.service.break_glass(click, value.about, asked.reason)
        if answer.done or answer.reason is Reason.DUPLICATE:
            return
        where = Where(click.user_id, asked.channel, asked.thread_ts)
        card = desk.cards.card_of(answer.migration) if answer.migration else None
        whisper(client, where, answers.ephemeral(answer, card))
