"""What a receipt costs: printed by `make bench`, and held to its limit."""

import statistics
import time
from collections.abc import Callable

import pytest

from engine.ledger import Ledger
from engine.model import Lease, Receipt

RECEIPT = Receipt(entities=10, bytes=640, digest="0123456789abcdef" * 2)


@pytest.mark.bench
def test_a_receipt_costs_less_than_ten_milliseconds(
    ledger: Ledger, lease: Lease, chunked: Callable[..., list[int]]
) -> None:
    """The median of 500 receipts, each durable when it returns, is below 10 ms; marking a window of 16 costs no more."""
    receipts, windows = [], []
    ids = chunked(500)
    for place, chunk in enumerate(ids):
        started = time.perf_counter()
        ledger.record_receipt(lease, chunk, RECEIPT)
        receipts.append(time.perf_counter() - started)
        if place % 16 == 0:
            started = time.perf_counter()
            ledger.mark_attempted(lease, ids[place : place + 16])
            windows.append(time.perf_counter() - started)
    median, window = statistics.median(receipts), statistics.median(windows)
    late = statistics.quantiles(receipts, n=100)[-1]
    print(  # noqa: T201  # the figure
        f"\n{ledger.engine.dialect.name}: receipt median {median * 1000:.2f} ms, p99 {late * 1000:.2f} ms; "
        f"window median {window * 1000:.2f} ms"
    )
    assert median < 0.010
    assert window < 0.010
