"""What a plan says about its duration: a rate that was measured, one that is assumed, or the throttle."""

import pytest

from engine.forecast import Forecast, forecast
from engine.model import CollectionPlan, Endpoint, PartitionPlan, Plan, Progress, Request, Throttle


@pytest.fixture
def plan() -> Plan:
    """One collection: a million entities of 2 kB."""
    at = Endpoint(name="staging", uri="http://x:1")
    collection = CollectionPlan(
        name="articles",
        definition="",
        fields=(),
        primary_field="id",
        primary_type="INT64",
        auto_id=False,
        entities=1_000_000,
        bytes=2_000_000_000,
        partitions=(PartitionPlan(name="_default", entities=1_000_000),),
        partition_key=False,
        num_partitions=1,
        shards=1,
        consistency_level="Strong",
        properties={},
        indexes=(),
        aliases=(),
        loaded=True,
    )
    request = Request(source=Endpoint(name="prod", uri="http://y:1"), target=at)
    return Plan(request=request, source_version="2", target_version="2", collections=(collection,))


def test_without_a_copy_before_it_is_called_a_guess(plan: Plan) -> None:
    """The slower of both assumed rates counts; the same again for loading and verifying; and it says that nobody knows."""
    found = forecast(plan, ())
    assert found.seconds == pytest.approx(2 * 100 + 2)
    assert found.limit.startswith("A guess: how fast staging is has not been measured yet")


def test_an_earlier_copy_to_the_target_sets_the_pace(plan: Plan) -> None:
    """The newest copy that was long enough counts."""
    short = Progress(phase="", entities=9, copied=9, verified=9, bytes=9, seconds=0.1)
    counted = {"entities": 50_000, "copied": 50_000, "verified": 0}
    copy = Progress(phase="", **counted, bytes=100_000_000, seconds=10)
    assert forecast(plan, (short, copy)) == Forecast(
        pytest.approx(2 * 200 + 2),
        "The target sets the pace: staging took 5,000 entities/s, 10.0 MB/s in an earlier migration",
    )


@pytest.mark.parametrize(
    ("throttle", "copy"),
    [
        (Throttle(entities_per_second=1_000), 1_000),
        (Throttle(megabytes_per_second=1), 2_000),
        (Throttle(entities_per_second=500, megabytes_per_second=100), 2_000),
    ],
)
def test_a_throttle_that_is_slower_is_the_reason(
    plan: Plan, throttle: Throttle, copy: float
) -> None:
    """The stricter of both limits counts."""
    found = forecast(plan, (), throttle)
    assert found.seconds == pytest.approx(2 * copy + 2)
    assert found.limit == f"The throttle of {throttle} sets the pace"


def test_a_throttle_that_allows_more_is_no_reason(plan: Plan) -> None:
    """What does not limit is not named."""
    assert "throttle" not in forecast(plan, (), Throttle(megabytes_per_second=1_000)).limit
