"""What the views cost as a plan grows: it is digested once, however many buttons carry its hash."""

import pytest

from bot.views.details import details_view
from bot.views.home import HomePage, Job, home_view
from bot.views.root import root_message
from engine.lifecycle import Status
from engine.model import Plan
from engine.model.plan import _default
from tests.beds.counting import calls
from tests.bot.views.conftest import Samples


def test_a_plan_is_digested_once(samples: Samples) -> None:
    """The messages and pages that a migration is shown in take one digest of its plan, and one look at what a default is."""
    card = samples.card(Status.AWAITING_APPROVAL)
    assert card.plan is not None
    _default.cache_clear()
    with calls(Plan._unsaid) as digested:
        root_message(card)
        home_view(HomePage(at=samples.now, jobs=[Job(card)] * 3, total=3))
    assert len(digested) == 1
    asked = _default.cache_info().misses
    many = samples.plan(*(samples.collection(f"c{number}") for number in range(30)))
    assert many.hash != card.plan.hash
    assert _default.cache_info().misses == asked


def test_a_changed_plan_has_a_hash_of_its_own(samples: Samples) -> None:
    """A plan that was copied with a change is another one, also where the first one's hash was asked for before."""
    plan = samples.plan()
    first = plan.hash
    assert plan.model_copy().hash == first
    changed = plan.model_copy(update={"losses": ("one more",)})
    assert changed.hash != first
    assert changed.hash == Plan.model_validate(changed.model_dump()).hash
    assert plan == samples.plan()


@pytest.mark.parametrize(
    ("first", "head"), [("requested", "40 of 50 entries"), ("phase", "40 entries")]
)
def test_what_was_not_read_from_its_beginning_is_not_counted(
    samples: Samples, first: str, head: str
) -> None:
    """The log says of how many entries it shows the last ones only where it was read back to the request."""
    events = [samples.event(first), *(samples.event("phase", phase=str(n)) for n in range(49))]
    blocks = details_view(samples.card(Status.RUNNING), events)["blocks"]
    assert any(f"the last {head}" in str(block) for block in blocks)
