"""The names of what the bot notes among a migration's events: things that happened and changed no state.

Plain texts, so that the views know them without knowing the service.
"""

from typing import Final

REFUSED: Final = "refused"
"""A click that was refused: act and reason, so that the trail has it."""
COUNTED: Final = "approval_counted"
"""An approval after which more are needed: role, how many there are and how many it takes."""
HELD: Final = "held"
"""It is due and does not start, because of a freeze: why, and until when."""
FREED: Final = "freed"
"""What held it is over."""
REMINDED: Final = "reminded"
"""Those who may approve were reminded: how many hours before it expires."""
BREAK_GLASS: Final = "break_glass"
"""In the details of an approval: it was forced, and a channel is told."""
WORKER_LOST: Final = "worker_lost"
"""A worker that ended without finishing: exit code and last words."""
TICKED: Final = "ticked"
"""A step of the cut-over checklist: which, whether it is done now, and the role."""
FROZEN: Final = "frozen"
"""It waits for approval while a freeze is on: why it would not start."""
UNFROZEN: Final = "unfrozen"
"""It still waits for approval, and that freeze is over."""
NOT_STARTED: Final = "not_started"
"""It is due and cannot be started (a cluster's token is missing, say): the error's parts. It is tried again."""
WAITING: Final = "waiting"
"""Its worker waits for a server (`engine/heartbeat.py` notes it): the reason; again and again while it waits."""
THROTTLED: Final = "throttled"
"""A person limited the copy or lifted the limit (the ledger notes it): the limit's parts and the role."""
