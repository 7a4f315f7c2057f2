"""The Home tab: the Jobs list as Zilliz Cloud's Jobs page has it, with filters, pages, buttons, and the freeze that is on.

Which jobs, and what its reader may do, comes in with `HomePage`. What was filtered and which page it is travels in the view's own
`private_metadata`, so that it outlives the bot. It asks nothing of the ledger and decides nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic import ValidationError

from bot.views import buttons, freeze
from bot.views import message as m
from bot.views import text as t
from bot.views.card import EMOJI, MigrationCard, word_of
from bot.views.jobs import job_blocks
from engine.lifecycle import Status
from engine.model import Record

View: TypeAlias = dict[str, Any]

JOBS: Final = 15
"""Jobs on a page: with their buttons four blocks each, of Slack's 100."""

NEW_REQUEST: Final = "ferry_home_new"
"""The action of the button that opens the request modal."""
REFRESH: Final = "ferry_home_refresh"
NEXT: Final = "ferry_home_next"
PREVIOUS: Final = "ferry_home_previous"
STATUS: Final = "ferry_home_status"
CREATED_BY: Final = "ferry_home_created_by"
TARGET: Final = "ferry_home_target"

EVERY: Final = "*"
"""The value of the options that filter nothing; no status and no cluster is called so."""
MINE: Final = "mine"

ACTION_IDS: Final = (NEW_REQUEST, REFRESH, NEXT, PREVIOUS, STATUS, CREATED_BY, TARGET)
"""What the tab's own elements send, beside the buttons of a migration, View Details and the freeze's."""

AWAITING: Final = "awaiting"
FILTERS: Final[Mapping[str, tuple[str, frozenset[Status]]]] = {
    AWAITING: ("Waiting for approval", frozenset({Status.AWAITING_APPROVAL})),
    **{word: (word, frozenset(s for s in Status if word_of(s) == word)) for word in EMOJI},
}
"""The status filter's choices: label, and the states that belong to it."""


class HomeState(Record):
    """What the reader chose, and which page they look at; defaults show everything from the newest on.

    Attributes:
        status: A key of `FILTERS`.
        mine: Only what the reader asked for.
        target: Only what writes to the cluster of this name.
        before: The last job of the page above; "" on the first page.
        last: The last job that is shown: the next page begins below it.
    """

    status: str = ""
    mine: bool = False
    target: str = ""
    before: str = ""
    last: str = ""

    @property
    def filters(self) -> bool:
        """Whether anything is left out."""
        return bool(self.status or self.mine or self.target)

    @property
    def statuses(self) -> frozenset[Status]:
        """The states that are wanted; none means all."""
        return FILTERS[self.status][1] if self.status in FILTERS else frozenset()


class Job(NamedTuple):
    """A line: the card, and the actions that its reader may do to it."""

    card: MigrationCard
    offered: Collection[str] = ()


class Frozen(NamedTuple):
    """The freeze that lasts."""

    by: str
    role: str
    at: datetime
    reason: str = ""


class Notice(NamedTuple):
    """What became of the reader's last click: finished mrkdwn, and the migration it was about, if any."""

    text: str
    migration_id: str = ""


class HomePage(NamedTuple):
    """All that the tab shows.

    Attributes:
        at: When it was drawn.
        jobs: The page's jobs, newest first.
        state: Filters and page.
        newer: How many jobs that pass the filters are newer than these.
        total: How many pass the filters in all.
        freeze: The freeze that somebody has set.
        windows: The targets that configuration freezes now, finished mrkdwn.
        offered: Which of `NEW_REQUEST`, `freeze.FREEZE` and `freeze.THAW` the reader may use.
        role: What there is to say of the reader's role, finished mrkdwn.
        notice: The answer to their last click.
    """

    at: datetime
    jobs: Sequence[Job] = ()
    state: HomeState = HomeState()
    newer: int = 0
    total: int = 0
    freeze: Frozen | None = None
    windows: Sequence[str] = ()
    offered: Collection[str] = ()
    role: str = ""
    notice: Notice | None = None


def home_view(page: HomePage) -> View:
    """The Home tab's view for `views.publish`."""
    older = page.total - page.newer - len(page.jobs)
    blocks = [
        m.header("Jobs"),
        m.section(page.notice.text) if page.notice and not _at_its_job(page) else None,
        *_frozen(page),
        m.actions("head", *_head_buttons(page)),
        m.context(page.role),
        m.actions("filters", *_filters(page.state)),
        m.context(_position(page), f"as of {t.when(page.at, only_time=True)}"),
        m.divider(),
        *(block for job in page.jobs[:JOBS] for block in _job(job, page.notice)),
        m.section(_nothing(page.state)) if not page.jobs else None,
        m.actions(
            "pages",
            m.button("Previous", PREVIOUS, "previous") if page.newer else None,
            m.button("Next", NEXT, "next") if older > 0 else None,
        ),
    ]
    return {
        "type": "home",
        "private_metadata": _carried(page),
        "blocks": [block for block in blocks if block],
    }


def _carried(page: HomePage) -> str:
    last = page.jobs[-1].card.migration.id if page.jobs else ""
    state = page.state.model_copy(update={"last": last})
    return state.model_dump_json(exclude_defaults=True)


def parse(view: Mapping[str, Any] | None) -> HomeState:
    """What a view of the tab carries; of an older version's, or of none, the defaults."""
    try:
        return HomeState.model_validate_json((view or {}).get("private_metadata") or "{}")
    except ValidationError:
        return HomeState()


def _at_its_job(page: HomePage) -> bool:
    about = page.notice.migration_id if page.notice else ""
    return any(job.card.migration.id == about for job in page.jobs)


def _frozen(page: HomePage) -> tuple[m.Block | None, ...]:
    frozen = page.freeze
    windows = m.context(*page.windows[:10])
    if frozen is None:
        return (windows,)
    who = t.person(frozen.by) + (f" ({t.clip(frozen.role, 120)})" if frozen.role else "")
    said = (
        f":snowflake: *All migrations are frozen* by {who}, since {t.when(frozen.at)}. "
        "Nothing starts until the freeze is ended. What is running goes on; requests and approvals are still taken."
    )
    return (m.section(said), m.section(t.quote(frozen.reason)), windows)


def _head_buttons(page: HomePage) -> tuple[m.Block | None, ...]:
    new = m.button("New migration", NEW_REQUEST, "new", style="primary")
    return (
        new if NEW_REQUEST in page.offered else None,
        freeze.freeze_button() if freeze.FREEZE in page.offered else None,
        freeze.thaw_button() if freeze.THAW in page.offered else None,
        m.button("Refresh", REFRESH, "refresh", says="Read the jobs again"),
    )


def _filters(state: HomeState) -> tuple[m.Block, ...]:
    statuses = {value: label for value, (label, _) in FILTERS.items()}
    return (
        _choice(STATUS, {EVERY: "Every status"} | statuses, state.status or EVERY),
        _choice(
            CREATED_BY,
            {EVERY: "Created by anyone", MINE: "Created by me"},
            MINE if state.mine else EVERY,
        ),
        {
            "type": "external_select",
            "action_id": TARGET,
            "placeholder": m.plain("Target cluster", 150),
            "min_query_length": 0,
            "initial_option": target_option(state.target),
        },
    )


def target_option(name: str) -> m.Block:
    """A target cluster as an option; "" is every target."""
    label = t.shorten_middle(t.visible(name), 75) if name else "Every target"
    return {"text": m.plain(label, 75), "value": name[:150] or EVERY}


def _choice(action_id: str, choices: Mapping[str, str], chosen: str) -> m.Block:
    options = {
        value: {"text": m.plain(label, 75), "value": value} for value, label in choices.items()
    }
    return {
        "type": "static_select",
        "action_id": action_id,
        "options": list(options.values()),
        "initial_option": options.get(chosen, options[EVERY]),
    }


def _position(page: HomePage) -> str:
    if not page.jobs:
        return ""
    first, last = page.newer + 1, page.newer + len(page.jobs)
    shown = t.number(first) if first == last else f"{t.number(first)}–{t.number(last)}"
    return f"{shown} of {t.counted(page.total, 'job')}, newest first"


def _job(job: Job, notice: Notice | None) -> tuple[m.Block | None, ...]:
    card = job.card
    told = notice.text if notice and notice.migration_id == card.migration.id else ""
    acts = [each for each in buttons.for_status(card) if each["action_id"] in job.offered]
    return (
        *job_blocks(card),
        m.section(told),
        m.actions(f"acts {card.migration.id}", buttons.details(card), *map(_plain_style, acts)),
        m.divider(),
    )


def _plain_style(button: m.Block) -> m.Block:
    """One primary button is enough for a page: that of a new migration."""
    return {k: v for k, v in button.items() if k != "style" or v != "primary"}


def _nothing(state: HomeState) -> str:
    if state.filters:
        return "No job passes these filters. Choose “Every status”, “Created by anyone” and “Every target” to see all."
    return "No migration has been requested yet."
