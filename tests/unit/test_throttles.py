"""How people write a throttle: each form, what Ferry itself prints, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.throttles import parsed
from engine.errors import InputRejected
from engine.model import Throttle

ENTITIES = Throttle(entities_per_second=5_000)
MEGABYTES = Throttle(megabytes_per_second=1.5)
BOTH = Throttle(entities_per_second=5_000, megabytes_per_second=20)


@pytest.mark.parametrize(
    ("text", "throttle"),
    [
        ("5000", ENTITIES),
        (" 5,000 ", ENTITIES),
        ("5000/s", ENTITIES),
        ("5000 Entities / s", ENTITIES),
        ("1.5MB", MEGABYTES),
        ("1.5 mb/s", MEGABYTES),
        ("5000 20MB", BOTH),
        ("20MB 5000", BOTH),
        ("5,000 entities/s and 20 MB/s", BOTH),
        ("5000, 20MB", BOTH),
        ("off", None),
        ("OFF ", None),
    ],
)
def test_a_throttle_is_understood_as_people_write_it(text: str, throttle: Throttle | None) -> None:
    """Entities, megabytes, both, or off."""
    assert parsed(text) == throttle


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "fast", "0", "0MB", "-5", "5000 6000", "1MB 2MB", "5.5", "20GB", "5,00"),
        *("5000 off", "9" * 11, "9999999MB", "5000/min", "1e3", "٣"),
    ],
)
def test_what_is_no_throttle_is_refused_with_what_would_be_one(text: str) -> None:
    """Nothing is guessed: the refusal names the forms."""
    with pytest.raises(InputRejected, match="throttle") as refused:
        parsed(text)
    assert "5000 20MB" in refused.value.next_step
    assert refused.value.state == "Nothing was changed."


@given(
    st.builds(
        Throttle,
        entities_per_second=st.none() | st.integers(1, 10**9),
        megabytes_per_second=st.none() | st.integers(1, 9_999).map(lambda n: n / 10),
    ).filter(lambda throttle: throttle != Throttle())
)
def test_what_ferry_prints_can_be_written(throttle: Throttle) -> None:
    """A throttle as messages show it is understood when it is typed."""
    assert parsed(str(throttle)) == throttle
