"""What the list of jobs shows and offers, on the Home tab and in a message."""

from typing import Any

import pytest

from bot.views import buttons
from bot.views.home import NEXT, PREVIOUS, HomePage, HomeState, Job, Notice, home_view, parse
from bot.views.jobs import jobs_message
from engine.lifecycle import Status


def test_the_jobs_list_has_the_jobs_pages_columns(samples: Any, texts: Any) -> None:
    """Type, status, ID, start, end and created by; what does not fit into a message is counted."""
    message = jobs_message([samples.card(Status.SUCCESSFUL)] * 25, total=40)
    said = texts(message.blocks)
    assert ":white_check_mark: *SUCCESSFUL* · `M-4K7QX2F` · Migration\n" in said[1]
    assert [text.split(":")[0] for text in said[2:5]] == ["Start", "End", "Created by"]
    assert said[-1].startswith("and 26 older jobs")


@pytest.mark.parametrize("status", Status)
def test_a_job_offers_what_its_reader_may_do(samples: Any, status: Status) -> None:
    """View Details for everyone; of the buttons of the state those that the reader's role allows; approvals are not in the list."""
    card = samples.card(status)
    drawn = [each["action_id"] for each in buttons.for_status(card)]
    for allowed in ((), (buttons.CANCEL, buttons.RESUME)):
        view = home_view(HomePage(samples.now, (Job(card, allowed),), total=1))
        (row,) = [b for b in view["blocks"] if b["type"] == "actions"][2:3]
        acts = [each["action_id"] for each in row["elements"]]
        assert acts == [buttons.DETAILS, *(action for action in drawn if action in allowed)]


def test_the_state_of_the_home_tab_survives_in_its_view(samples: Any) -> None:
    """Filters, page and the last job shown are read from the view again; what is not theirs is forgotten."""
    state = HomeState(status="FAILED", mine=True, target="staging", before="M-ABOVE")
    page = HomePage(samples.now, (Job(samples.card()),), state, newer=15, total=17)
    view = home_view(page)
    assert parse(view) == state.model_copy(update={"last": "M-4K7QX2F"})
    assert {e["action_id"] for e in view["blocks"][-1]["elements"]} == {PREVIOUS, NEXT}
    for nonsense in (None, {}, {"private_metadata": "[1"}, {"private_metadata": '{"mine": "x"}'}):
        assert parse(nonsense) == HomeState()


def test_a_notice_stands_at_its_job_or_at_the_top(samples: Any, texts: Any) -> None:
    """The answer to a click stands beside the job that was clicked, and at the top when that job is not on the page any more."""
    jobs = (Job(samples.card()),)
    at_job = home_view(
        HomePage(samples.now, jobs, notice=Notice("Too late.", "M-4K7QX2F"), total=1)
    )
    at_top = home_view(HomePage(samples.now, jobs, notice=Notice("Too late.", "M-GONE"), total=1))
    assert texts(at_top["blocks"])[1] == "Too late."
    assert texts(at_job["blocks"]).index("Too late.") > 3
