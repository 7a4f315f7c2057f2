"""The sample of what is read again: fair, repeatable, and no larger than it says."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from engine.proof.drift import Drift, sample, seed_of

DRAWS = 2_000


@given(st.integers(0, 50), st.integers(1, 8), st.text())
def test_a_sample_is_of_different_items_and_repeatable(number: int, size: int, seed: str) -> None:
    """It holds so many different items, all of them where there are no more, and the same ones for the same seed."""
    chosen = sample(iter(range(number)), size, seed)
    assert len(set(chosen)) == len(chosen) == min(size, number)
    assert set(chosen) <= set(range(number))
    assert chosen == sample(range(number), size, seed)


def test_each_verification_chooses_for_itself() -> None:
    """What is asked for after an end looks at other ranges than before, what was interrupted at the same ones."""
    chosen = [sample(range(1_000), 4, seed_of("M-1", asked, "films")) for asked in (0, 0, 1, 2)]
    assert chosen[0] == chosen[1]
    assert len({tuple(each) for each in chosen}) == 3


def test_every_item_is_as_likely() -> None:
    """Over many seeds each of ten items is chosen about four times in ten."""
    chosen = Counter(item for seed in range(DRAWS) for item in sample(range(10), 4, str(seed)))
    assert all(abs(times / DRAWS - 0.4) < 0.06 for times in chosen.values())
    assert len(chosen) == 10


def test_what_did_not_change_is_no_fault() -> None:
    """Ranges that hold what was copied give no sentence; one that does not gives its count."""
    drift = Drift()
    drift.add((10, False, 0))
    assert (drift.fault, drift.entities) == ("", 10)
    drift.add((5, True, 2))
    assert "of 2 ranges of keys that were read again, 1 do not hold" in drift.fault
    assert (drift.entities, drift.surplus) == (15, 2)
