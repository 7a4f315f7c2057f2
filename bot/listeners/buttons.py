"""The buttons under a migration's messages: one act of the service each; who is refused or too late is told where they clicked."""

from collections.abc import Callable
from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient

from bot import answers
from bot.approvals import Reason
from bot.checklist import Step
from bot.listeners import home
from bot.listeners.desk import Desk, where_of, whisper
from bot.service import Answer, Click
from bot.views import buttons
from bot.views import text as t
from bot.views.card import ActionValue, parse_action_value
from bot.views.home import Notice
from bot.views.standing import headline
from engine.errors import InputRejected


def register(app: App, desk: Desk) -> None:
    """Listen for every button that a message can have."""
    acts: dict[str, Callable[[Click, ActionValue], Answer]] = {
        buttons.APPROVE: lambda click, value: desk.service.approve(click, value.about),
        buttons.REJECT: lambda click, _value: desk.service.reject(click),
        buttons.CANCEL: lambda click, _value: desk.service.cancel(click),
        buttons.PAUSE: lambda click, _value: desk.service.pause(click),
        buttons.RESUME: lambda click, _value: desk.service.resume(click),
        buttons.REPAIR: lambda click, _value: desk.service.repair(click),
        buttons.REMIGRATE: lambda click, _value: desk.service.remigrate(click),
        buttons.VERIFY: lambda click, _value: desk.service.verify(click),
        buttons.UNDO: lambda click, _value: desk.service.undo(click),
        buttons.TICK: lambda click, value: desk.service.tick(click, Step(value.about)),
        buttons.UNTICK: lambda click, value: desk.service.tick(
            click, Step(value.about), done=False
        ),
    }
    for action_id, act in acts.items():
        app.action(action_id)(_listener(desk, action_id, act))


def _listener(
    desk: Desk, action_id: str, act: Callable[[Click, ActionValue], Answer]
) -> Callable[..., None]:
    def clicked(
        ack: Ack,
        action: dict[str, Any],
        body: dict[str, Any],
        client: WebClient,
        context: BoltContext,
    ) -> None:
        ack()
        value = parse_action_value(str(action.get("value") or ""))
        click = Click(body["user"]["id"], value.migration_id, context["delivery"])
        answer = act(click, value)
        said = _said(desk, action_id, click, answer)
        if home.is_home(body):
            said = said or headline(desk.cards.card(click.migration_id))
            home.tell(desk, client, body, Notice(said, click.migration_id))
        elif said:
            whisper(client, where_of(body), said)

    return clicked


def _said(desk: Desk, action_id: str, click: Click, answer: Answer) -> str:
    """What the person is told; what was done shows in the messages themselves, which everyone sees."""
    if answer.reason is Reason.DUPLICATE:
        return ""
    if answer.done:
        new = answer.migration.id if answer.migration and action_id == buttons.REMIGRATE else ""
        return (
            f"Requested as {t.code(new)}; its plan is being made and needs an approval."
            if new
            else ""
        )
    try:
        card = desk.cards.card(click.migration_id)
    except InputRejected:
        card = None
    return answers.ephemeral(answer, card)
