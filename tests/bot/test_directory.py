"""Who has which role, as Slack says it at the moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from slack_sdk import WebClient

from bot.approvals import Role
from bot.directory import FRESH_SECONDS, STALE_SECONDS, Directory
from bot.sandbox import AppConfig, Sandbox, UserConfig, UsergroupConfig, WorkspaceConfig
from bot.settings import Place, Roles
from engine.errors import ServiceUnavailable

SEARCH = Place("acme", "search")
ROLES = Roles(
    organization_owners={"acme": ("U0OWNER", "gone@acme.example")},
    project_admins={"acme/search": ("S0ADMINS", "Olga@Acme.example", "S0NONE")},
)


class SetClock:
    """Monotonic seconds that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """The seconds."""
        return self.seconds


@pytest.fixture
def workspace() -> Sandbox:
    """Grace is in the group, Olga has an address, Gone has left Slack."""
    people = ("U0OWNER", "U0GRACE", "U0OLGA", "U0NEW")
    users = [
        UserConfig(id=key, name=key[2:].lower(), email=f"{key[2:].lower()}@acme.example")
        for key in people
    ]
    gone = UserConfig(id="U0GONE", name="gone", email="gone@acme.example", deleted=True)
    group = UsergroupConfig(id="S0ADMINS", handle="admins", users=("U0GRACE",))
    config = WorkspaceConfig(
        users=(*users, gone), channels=(), usergroups=(group,), apps=(AppConfig(),)
    )
    return Sandbox(config)


@pytest.fixture
def directory() -> Callable[..., tuple[Directory, SetClock]]:
    """`directory(sandbox, roles=ROLES)`: a directory and its clock."""

    def make(sandbox: Sandbox, roles: Roles = ROLES) -> tuple[Directory, SetClock]:
        clock = SetClock()
        client = WebClient("xoxb-sandbox", base_url=sandbox.api_url, timeout=30, retry_handlers=[])
        return Directory(client, roles, clock), clock

    return make


Make = Callable[..., tuple[Directory, SetClock]]


@pytest.mark.parametrize(
    ("user", "role"),
    [
        ("U0OWNER", Role.ORGANIZATION_OWNER),
        ("U0GRACE", Role.PROJECT_ADMIN),
        ("U0OLGA", Role.PROJECT_ADMIN),
        ("U0NEW", None),
        ("U0GONE", None),
    ],
)
def test_ids_groups_and_addresses_give_roles(
    workspace: Sandbox, directory: Make, user: str, role: Role | None
) -> None:
    """A role comes from an id, a group or an e-mail address in any case; who left has none; a group that is gone has nobody."""
    with workspace as sandbox:
        asked, _ = directory(sandbox)
        assert asked.standing(user, [SEARCH]).roles.get(SEARCH) is role


def test_a_withdrawn_role_ends_within_seconds(workspace: Sandbox, directory: Make) -> None:
    """Who is taken out of the group loses the role at the next look, and who comes in gets it."""
    with workspace as sandbox:
        asked, clock = directory(sandbox)
        assert SEARCH in asked.standing("U0GRACE", [SEARCH]).roles
        sandbox.set_usergroup("S0ADMINS", ["U0NEW"])
        clock.seconds = FRESH_SECONDS + 1
        assert SEARCH not in asked.standing("U0GRACE", [SEARCH]).roles
        assert SEARCH in asked.standing("U0NEW", [SEARCH]).roles


def test_a_click_is_judged_by_the_group_as_it_is_then(workspace: Sandbox, directory: Make) -> None:
    """A second after someone was taken out of the group, a click of theirs finds no role; a mere look may still find it."""
    with workspace as sandbox:
        asked, clock = directory(sandbox)
        asked.standing("U0GRACE", [SEARCH])
        sandbox.set_usergroup("S0ADMINS", [])
        clock.seconds = 1.0
        assert SEARCH in asked.standing("U0GRACE", [SEARCH]).roles
        assert SEARCH not in asked.standing("U0GRACE", [SEARCH], at_click=True).roles


def test_what_several_people_depend_on_is_asked_once(workspace: Sandbox, directory: Make) -> None:
    """A click that depends on others asks for each group once, and finds all of them as they are then."""
    with workspace as sandbox:
        asked, clock = directory(sandbox)
        people = ("U0GRACE", "U0NEW", "U0OLGA")
        asked.standings(people, [SEARCH])
        sandbox.set_usergroup("S0ADMINS", ["U0NEW"])
        clock.seconds = 1.0
        before = len(sandbox.journal.calls("usergroups.users.list"))
        now = asked.standings(people, [SEARCH], at_click=True)
        assert [user for user in people if SEARCH in now[user].roles] == ["U0NEW", "U0OLGA"]
        calls = sandbox.journal.calls("usergroups.users.list")[before:]
        groups = [call.args.get("usergroup") for call in calls]
        assert len(groups) == len(set(groups))


def test_a_burst_of_clicks_stays_within_slacks_limit(workspace: Sandbox, directory: Make) -> None:
    """Two hundred clicks within a minute ask for a group fewer than twenty times, and the last is judged as the first."""
    with workspace as sandbox:
        asked, clock = directory(sandbox)
        for _ in range(200):
            clock.seconds += 0.3
            assert SEARCH in asked.standing("U0GRACE", [SEARCH], at_click=True).roles
        calls = sandbox.journal.calls("usergroups.users.list")
        of_group = [call for call in calls if call.args.get("usergroup") == "S0ADMINS"]
        assert 6 < len(of_group) < 20


def test_a_rate_limit_of_slack_is_heeded_and_no_click_waits_for_it(
    workspace: Sandbox, directory: Make
) -> None:
    """Told to wait, the directory answers clicks from what it knows and leaves Slack alone for as long as Slack said."""
    with workspace as sandbox:
        asked, clock = directory(sandbox)
        asked.standing("U0GRACE", [SEARCH])
        asked.standing("U0NEW", [SEARCH])
        clock.seconds = 1.0
        sandbox.fail_next("usergroups.users.list", "ratelimited", retry_after=20)
        before = len(sandbox.journal.calls("usergroups.users.list"))
        for _ in range(5):
            clock.seconds += 0.5
            assert SEARCH in asked.standing("U0GRACE", [SEARCH], at_click=True).roles
        assert len(sandbox.journal.calls("usergroups.users.list")) == before + 1
        clock.seconds = 25.0
        sandbox.set_usergroup("S0ADMINS", [])
        assert SEARCH not in asked.standing("U0GRACE", [SEARCH], at_click=True).roles


def test_slack_is_asked_once_for_many_looks(workspace: Sandbox, directory: Make) -> None:
    """A hundred looks within the time, also at the same moment, are one call for each group: Slack allows twenty a minute."""
    with workspace as sandbox, ThreadPoolExecutor(8) as threads:
        asked, _ = directory(sandbox)
        found = threads.map(lambda _: asked.standing("U0GRACE", [SEARCH]), range(100))
        assert all(SEARCH in person.roles for person in found)
        assert len(sandbox.journal.calls("usergroups.users.list")) <= 2


def test_a_short_outage_of_slack_is_bridged_and_a_long_one_is_not(
    workspace: Sandbox, directory: Make
) -> None:
    """An answer counts a little longer while Slack is away; after that nobody has a role, which is said."""
    with workspace as sandbox:
        asked, clock = directory(sandbox)
        asked.standing("U0GRACE", [SEARCH])
        sandbox.outage()
        clock.seconds = FRESH_SECONDS + 1
        assert SEARCH in asked.standing("U0GRACE", [SEARCH]).roles
        clock.seconds = STALE_SECONDS + 1
        with pytest.raises(ServiceUnavailable, match="Slack does not say"):
            asked.standing("U0GRACE", [SEARCH])
        assert SEARCH in asked.standing("U0OWNER", [SEARCH]).roles


def test_those_who_left_cannot_approve(workspace: Sandbox, directory: Make) -> None:
    """Of all that are named, only those still in Slack are eligible; someone who left breaks nothing."""
    with workspace as sandbox:
        asked, _ = directory(sandbox)
        eligible = {person.user_id for person in asked.eligible([SEARCH])}
        assert eligible == {"U0OWNER", "U0GRACE", "U0OLGA"}


def test_whom_to_ask_is_named(workspace: Sandbox, directory: Make) -> None:
    """People and groups are mentions; the requester is not named."""
    with workspace as sandbox:
        asked, _ = directory(sandbox)
        named = asked.mentions([SEARCH], without="U0OWNER")
        assert "<!subteam^S0ADMINS>" in named
        assert "<@U0OLGA>" in named
        assert "U0OWNER" not in named
