"""What grows with the number of things: nothing is read again for each of them."""

import pytest

from engine.ledger.tables import CollectionRow
from engine.model import Outcome
from tests.beds.counting import rows_read
from tests.engine.bed import Bed, rows

FEW, MANY = 3, 9


@pytest.fixture
def states_read(lite_bed: Bed) -> dict[int, int]:
    """How many states of collections migrations of few and of many collections read."""
    read = {}
    for number in (FEW, MANY):
        names = [f"c{number}_{each}" for each in range(number)]
        for name in names:
            lite_bed.source.create(name)
            lite_bed.source.insert(name, rows(range(5)))
        with rows_read(CollectionRow) as counted:
            report = lite_bed.migrate(*names)
        assert report.status is Outcome.SUCCESSFUL, report
        read[number] = counted["CollectionRow"]
    return read


def test_each_collection_reads_its_own_state(states_read: dict[int, int]) -> None:
    """Three times as many collections read three times as many states: no phase reads all of them for each."""
    assert states_read[MANY] <= states_read[FEW] * MANY / FEW
