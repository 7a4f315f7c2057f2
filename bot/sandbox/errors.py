"""The one way in which the sandbox refuses a call: an error word, as Slack answers it.

Knows no HTTP; webapi.py turns it into Slack's JSON.
"""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


class SlackError(Exception):
    """A Web API call that answers {"ok": false, "error": `error`}.

    Attributes:
        error: Slack's error word, e.g. channel_not_found.
        messages: lines for response_metadata.messages, without the leading "[ERROR] ".
        extra: further fields of the answer, e.g. needed and provided of missing_scope.
    """

    def __init__(self, error: str, messages: Sequence[str] = (), **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.messages = tuple(messages)
        self.extra = extra

    def body(self) -> Json:
        """The JSON that Slack answers with."""
        answer: Json = {"ok": False, "error": self.error, **self.extra}
        if self.messages:
            answer["errors"] = list(self.messages)
            answer["response_metadata"] = {"messages": [f"[ERROR] {m}" for m in self.messages]}
        return answer


class ActRefusedError(Exception):
    """A person cannot do that: the button is gone, no modal is open, the field is unknown."""
