"""Slack users and their roles: who is meant by the ids, e-mail addresses and user groups of `ferry.yml`, right now.

It asks Slack's Web API and remembers the answers for a short time, because `usergroups.users.list` may be called 20 times a
minute only. What is decided at a click rests on an answer that Slack gave after the click, while that limit has room, and on
one of at most `FRESH_SECONDS` when a burst of clicks has used it up. When Slack does not answer, one of up to `STALE_SECONDS`
still counts, then roles are unknown and nothing is allowed. It never decides what a role may do.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias, TypeVar

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.approvals import Role, Standing
from bot.budget import Budget, Rate
from bot.settings import Place, Roles
from engine.errors import ServiceUnavailable

FRESH_SECONDS: Final = 30.0
"""Two user groups asked about at every expiry stay far below 20 calls a minute; in a burst a withdrawn role works so long."""

STALE_SECONDS: Final = 300.0

RECHECKS: Final = MappingProxyType(
    {"group": Rate(12 / 60, 6), "user": Rate(60 / 60, 20), "email": Rate(30 / 60, 10)}
)
"""How often a click may have something asked anew: below Slack's 20 a minute for groups, 100 for users, 50 for addresses."""

TOO_MANY: Final = 429

_GONE: Final = frozenset(
    {"user_not_found", "users_not_found", "no_such_subteam", "user_not_visible"}
)
"""Slack's words for someone or something that is not there (any more): no role, and no failure."""

_log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")
_Key: TypeAlias = tuple[str, str]


class Person(NamedTuple):
    """A Slack user as `users.info` tells it; `active` is False for people who left and for bots.

    `zone` is the time zone that they have set in Slack ("Europe/Berlin").
    """

    user_id: str
    email: str
    active: bool
    name: str = ""
    zone: str = ""


class _Kept(NamedTuple):
    at: float
    value: object


class Directory:
    """Answers who has which role; safe to use from several threads.

    Args:
        client: Slack's Web API with the bot's token (scopes users:read, users:read.email, usergroups:read).
        roles: Who was given which role.
        clock: Monotonic seconds.
    """

    def __init__(
        self, client: WebClient, roles: Roles, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._roles = roles
        self._clock = clock
        self._kept: dict[_Key, _Kept] = {}
        self._not_before: dict[_Key, float] = {}
        self._budget = Budget(RECHECKS, clock)
        self._guard = threading.Lock()
        self._asking: dict[_Key, threading.Lock] = {}

    def standing(
        self, user_id: str, places: Iterable[Place], *, at_click: bool = False
    ) -> Standing:
        """The roles that a person holds now.

        Args:
            user_id: Who.
            places: In which projects.
            at_click: Something is decided by the answer: Slack is asked again unless it was just now.

        Raises:
            ServiceUnavailable: Slack does not say; nothing may be allowed.
        """
        return self.standings((user_id,), places, at_click=at_click)[user_id]

    def standings(
        self, users: Iterable[str], places: Iterable[Place], *, at_click: bool = False
    ) -> dict[str, Standing]:
        """The roles that people hold now, as `standing`; what they share is asked of Slack once."""
        people, wanted = tuple(dict.fromkeys(users)), tuple(set(places))
        if at_click:
            self._recheck(people, wanted)
        return {user: self._standing(user, wanted) for user in people}

    def eligible(
        self, places: Iterable[Place], able: Callable[[Standing], bool] = lambda _: True
    ) -> Iterator[Standing]:
        """Everyone still in Slack who has a role in one of the projects; people who left are left out.

        Args:
            places: The projects.
            able: Only people whose roles are such.

        Yields:
            One by one: Slack is asked about a person when they are next, so whoever needs a few should not take all.

        Raises:
            ServiceUnavailable: Slack does not say.
        """
        wanted = tuple(set(places))
        for user in dict.fromkeys(u for entry in self._entries(wanted) for u in self._users(entry)):
            standing = self.standing(user, wanted)
            if able(standing) and self.person(user).active:
                yield standing

    def mentions(self, places: Iterable[Place], *, without: str = "") -> str:
        """Whom to ask for a role's decision, as Slack mentions; addresses that Slack does not know stay addresses."""
        entries = self._entries(tuple(set(places)))
        named = dict.fromkeys(self._mention(entry) for entry in entries)
        return ", ".join(name for name in named if name != f"<@{without}>")

    def names(self, users: Iterable[str]) -> str:
        """People as plain text, for where Slack shows no mentions; an id where Slack tells no name."""
        return ", ".join(sorted(self.person(user).name or user for user in users))

    def person(self, user_id: str) -> Person:
        """One user; raises ServiceUnavailable when Slack does not say."""
        return self._remember(
            ("user", user_id),
            lambda: self._fetch_person(user_id),
            Person(user_id, "", active=False),
        )

    def _standing(self, user_id: str, places: tuple[Place, ...]) -> Standing:
        roles = {place: self._role(user_id, place) for place in places}
        return Standing(user_id, {place: role for place, role in roles.items() if role})

    def _role(self, user_id: str, place: Place) -> Role | None:
        if self._is_among(user_id, self._roles.organization_owners.get(place.organization, ())):
            return Role.ORGANIZATION_OWNER
        if self._is_among(user_id, self._roles.project_admins.get(str(place), ())):
            return Role.PROJECT_ADMIN
        return None

    def _is_among(self, user_id: str, entries: Iterable[str]) -> bool:
        # Plain ids first: they need no answer from Slack, and work while it has an outage. A group is one answer for all people.
        ordered = sorted(entries, key=lambda entry: (entry != user_id, "@" in entry))
        return any(self._matches(user_id, entry) for entry in ordered)

    def _matches(self, user_id: str, entry: str) -> bool:
        if entry == user_id:
            return True
        if "@" in entry:
            person = self.person(user_id)
            return person.active and person.email.casefold() == entry.casefold()
        return entry.startswith("S") and user_id in self._members(entry)

    def _entries(self, places: tuple[Place, ...]) -> list[str]:
        owners = (self._roles.organization_owners.get(place.organization, ()) for place in places)
        admins = (self._roles.project_admins.get(str(place), ()) for place in places)
        return sorted({entry for entries in (*owners, *admins) for entry in entries})

    def _users(self, entry: str) -> tuple[str, ...]:
        if "@" in entry:
            found = self._by_email(entry)
            return (found,) if found else ()
        return self._members(entry) if entry.startswith("S") else (entry,)

    def _mention(self, entry: str) -> str:
        if entry.startswith("S") and "@" not in entry:
            return f"<!subteam^{entry}>"
        users = self._users(entry)
        return f"<@{users[0]}>" if users else entry

    def _members(self, group: str) -> tuple[str, ...]:
        def fetch() -> tuple[str, ...]:
            answer = self._client.usergroups_users_list(usergroup=group)
            return tuple(answer.get("users") or ())

        return self._remember(("group", group), fetch, ())

    def _by_email(self, email: str) -> str:
        def fetch() -> str:
            return str(self._client.users_lookupByEmail(email=email)["user"]["id"])

        return self._remember(("email", email), fetch, "")

    def _fetch_person(self, user_id: str) -> Person:
        user = self._client.users_info(user=user_id)["user"]
        active = not (user.get("deleted") or user.get("is_bot"))
        profile = user.get("profile") or {}
        name = profile.get("real_name") or user.get("real_name") or user.get("name") or ""
        email, zone = str(profile.get("email") or ""), str(user.get("tz") or "")
        return Person(user_id, email, active=active, name=str(name), zone=zone)

    def _heed(self, kind: str, error: Exception) -> None:
        """No more rechecks while Slack says that there were too many."""
        seconds = _retry_after(error)
        if seconds:
            self._budget.block(kind, seconds)

    def _recheck(self, people: tuple[str, ...], places: tuple[Place, ...]) -> None:
        """From now on only what Slack says from now on counts, within the limits."""
        now, entries = self._clock(), self._entries(places)
        by_address = people if any("@" in entry for entry in entries) else ()
        groups = (entry for entry in entries if "@" not in entry)
        for key in (
            *(("user", each) for each in by_address),
            *(("group", each) for each in groups),
        ):
            with self._guard:
                kept = self._kept.get(key)
                if kept is not None and kept.at < now and self._budget.take(key[0]) == 0:
                    self._not_before[key] = now

    def _remember(self, key: _Key, fetch: Callable[[], Answer], nothing: Answer) -> Answer:
        """The kept answer while it is fresh, else a new one, for which Slack is asked once however many wait for it."""
        with self._guard:
            asking = self._asking.setdefault(key, threading.Lock())
        with asking:
            kept: _Kept | None = self._kept.get(key)
            if kept is not None and self._is_fresh(key, kept):
                return kept.value  # type: ignore[return-value]  # each key kind keeps one type
            return self._ask(key, kept, fetch, nothing)

    def _is_fresh(self, key: _Key, kept: _Kept) -> bool:
        young = self._clock() - kept.at <= FRESH_SECONDS
        return young and kept.at >= self._not_before.get(key, kept.at)

    def _ask(
        self, key: _Key, kept: _Kept | None, fetch: Callable[[], Answer], nothing: Answer
    ) -> Answer:
        """Slack's answer; the kept one again when Slack fails and it is not too old."""
        asked_at = self._clock()
        try:
            value = fetch()
        except (SlackClientError, OSError) as error:
            self._heed(key[0], error)
            if _is_gone(error):
                value = nothing
            elif kept is not None and self._clock() - kept.at <= STALE_SECONDS:
                _log.warning("directory_answer_stale", kind=key[0], id=key[1], error=_word(error))
                with self._guard:
                    self._not_before.pop(key, None)
                return kept.value  # type: ignore[return-value]  # each key kind keeps one type
            else:
                raise _unknown(error) from error
        with self._guard:
            self._kept[key] = _Kept(asked_at, value)
        return value


def _retry_after(error: Exception) -> float:
    """How long Slack wants to be left alone; 0 when it did not say so."""
    if not isinstance(error, SlackApiError) or error.response.status_code != TOO_MANY:
        return 0.0
    headers = {str(name).lower(): value for name, value in error.response.headers.items()}
    said = str(headers.get("retry-after", ""))
    return float(said) if said.isdigit() else FRESH_SECONDS


def _is_gone(error: Exception) -> bool:
    return isinstance(error, SlackApiError) and error.response.get("error") in _GONE


def _word(error: Exception) -> str:
    if isinstance(error, SlackApiError):
        return str(error.response.get("error"))
    return type(error).__name__


def _unknown(error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"Slack does not say who has which role ({_word(error)}).",
        state="Nothing was changed.",
        next_step="Try again in a minute; if it stays so, an administrator should run `ferry doctor`.",
    )
