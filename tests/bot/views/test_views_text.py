"""The laws of text for Slack."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.views import text as t

ANY = st.text(st.characters(codec="utf-8"), max_size=200)
ANY_EVEN_SURROGATES = st.text(st.characters(), max_size=200)


def unescape(text: str) -> str:
    """What Slack shows for escaped text."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@given(ANY)
def test_escaped_text_holds_no_markup(text: str) -> None:
    """No angle bracket is left, every ampersand begins an escape, and Slack shows what was written."""
    escaped = t.escape(text)
    assert "<" not in escaped
    assert ">" not in escaped
    assert not re.search(r"&(?!amp;|lt;|gt;)", escaped)
    assert unescape(escaped) == text


@given(ANY, st.integers(1, 120))
def test_clipped_text_fits_after_escaping(text: str, limit: int) -> None:
    """At most the limit, a beginning of the text, and never cut inside an escape."""
    clipped = t.clip(text, limit)
    assert len(clipped) <= limit
    shown = unescape(clipped)
    assert shown == text or text.startswith(shown.removesuffix("…"))
    assert not re.search(r"&(?!amp;|lt;|gt;)", clipped)


@given(ANY, st.integers(3, 60))
def test_a_name_shortened_in_the_middle_keeps_both_ends(name: str, limit: int) -> None:
    """What is too long shows its first and its last character and an ellipsis; what fits is unchanged."""
    short = t.shorten_middle(name, limit)
    assert len(short) <= limit
    if len(name) <= limit:
        assert short == name
    else:
        assert (short[0], short[-1]) == (name[0], name[-1])
        assert "…" in short


@given(ANY_EVEN_SURROGATES)
def test_code_is_one_piece_of_code(name: str) -> None:
    """Whatever the name holds, it stays between two backticks on one line and can be sent as UTF-8."""
    code = t.code(name)
    assert code[0] == code[-1] == "`"
    assert "`" not in code[1:-1]
    assert "\n" not in code
    assert "<" not in code
    code.encode()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain", "`plain`"),
        ("a`b", "`aˋb`"),
        ("<@U1>", "`&lt;@U1&gt;`"),
        ("a\nb", "`a\\nb`"),
        ("prod\u202egnigats", "`prod\\u202egnigats`"),
        ("pro\u200bd", "`pro\\u200bd`"),
        ("", "`(empty)`"),
        ("  ", "`(empty)`"),
        ("\ud800", "`\\ud800`"),
    ],
)
def test_names_that_look_alike_are_shown_apart(name: str, shown: str) -> None:
    """Invisible and direction-changing characters in names are written out."""
    assert t.code(name) == shown


@given(ANY_EVEN_SURROGATES)
def test_a_quotation_cannot_leave_its_quotation(text: str) -> None:
    """Every line of what a person wrote begins with the quotation mark; nothing written gives nothing."""
    quoted = t.quote(text)
    assert all(line.startswith(">") for line in quoted.split("\n") if quoted)
    assert "<" not in quoted
    quoted.encode()


def test_an_empty_comment_is_no_quotation() -> None:
    """Blanks and invisible characters alone quote nothing."""
    assert t.quote(" \n\u202e ") == ""


@pytest.mark.parametrize("mention", ["<@U02BOB>", "<@W0GRID>", "<!subteam^S77OWNERS>"])
def test_mentions_of_approvers_stay(mention: str) -> None:
    """Users and user groups are mentioned, what stands around them is escaped."""
    assert t.keep_mentions(f"a < {mention} & b") == f"a &lt; {mention} &amp; b"


@pytest.mark.parametrize(
    "text", ["<!channel>", "<!here>", "<https://x.test|log in>", "<#C1>", "<@>", "<!date^1^x|y>"]
)
def test_other_markup_does_not_stay(text: str) -> None:
    """Broadcasts, links, channels and dates do not get through with the approvers."""
    assert "<" not in t.keep_mentions(text)


def test_a_slack_user_is_mentioned_and_anyone_else_is_named() -> None:
    """Ids become mentions; `user@host` of the command line becomes code."""
    assert t.person("U02BOB") == "<@U02BOB>"
    assert t.person("ann@laptop") == "`ann@laptop`"
    assert t.person("U1><!channel") == "`U1&gt;&lt;!channel`"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_949, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5_000_000_000_000_000_000, "5,000 PB"),
        (-5, "0 B"),
        (math.nan, "0 B"),
        (math.inf, "0 B"),
    ],
)
def test_sizes(count: float, shown: str) -> None:
    """Decimal units, one digit after the point below 100, no unit of a thousand."""
    assert t.size(count) == shown


@given(st.integers(0, 10**20))
def test_no_size_needs_a_larger_unit(count: int) -> None:
    """Below a million petabytes no number of four digits stands before its unit, except before the largest."""
    number, unit = t.size(count).split(" ")
    assert unit == "PB" or float(number.replace(",", "")) < 1000


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (math.nan, "0 s"),
        (0.42, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3_599.7, "1 h 00 min"),
        (3_720, "1 h 02 min"),
        (183_600, "2 d 03 h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    """Two units at most, rounded to the smaller one, never 60 of anything."""
    assert t.duration(seconds) == shown


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(1, 60))
def test_a_bar_has_always_the_same_width(part: float, width: int) -> None:
    """Whatever the figure, the bar has `width` cells; it is full only when all is done."""
    bar = t.bar(part, width)
    assert len(bar) == width
    assert set(bar) <= set("█░")
    if width > 1:
        assert ("░" not in bar) == (part >= 1 and math.isfinite(part))
        assert ("█" in bar) == (part > 0 and math.isfinite(part))


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_part_is_never_above_the_whole(done: int, total: int) -> None:
    """Between 0 and 1 and, as text, 100 % exactly when nothing is left."""
    part = t.fraction(done, total)
    assert 0 <= part <= 1
    assert (t.percent(part) == "100 %") == (done >= total)


@pytest.mark.parametrize("figures", [(math.nan, 1), (1, math.nan), (math.inf, math.inf)])
def test_figures_that_are_none_count_as_nothing(figures: tuple[float, float]) -> None:
    """Not a number is no progress."""
    assert t.fraction(*figures) == 0


@given(st.lists(st.text("ab&", min_size=1, max_size=90), max_size=60), st.integers(1, 20))
def test_a_listing_accounts_for_every_item(items: list[str], first: int) -> None:
    """What is not shown is counted, the limit is kept, and at most `first` items stand there."""
    listed = t.listing(items, first=first, limit=900, rest=", see the file")
    assert len(listed) <= 900
    lines = listed.split("\n") if listed else []
    more = re.fullmatch(r"• (?:and )?(\d+)(?: more)?, see the file", lines[-1]) if lines else None
    shown = len(lines) - (more is not None)
    assert shown <= first
    assert shown + (int(more.group(1)) if more else 0) == len(items)


def test_a_moment_reads_the_same_from_every_zone() -> None:
    """The markup carries the instant; where it is not shown, UTC stands there by name."""
    utc = datetime(2026, 11, 3, 2, 14, tzinfo=UTC)
    kolkata = utc.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert t.when(utc) == t.when(kolkata)
    assert t.when(utc).endswith("|2026-11-03 02:14 UTC>")


def test_numbers_and_their_nouns() -> None:
    """Thousands separators, and one is singular."""
    assert t.entities(12_345_678) == "12,345,678 entities"
    assert t.entities(1) == "1 entity"
    assert t.counted(2, "collection") == "2 collections"


@pytest.mark.parametrize(("text", "said"), [("Done", "Done."), ("Why?", "Why?"), ("  ", "")])
def test_a_sentence_ends(text: str, said: str) -> None:
    """A full stop is added where none is; nothing stays nothing."""
    assert t.sentence(text) == said


def test_a_moment_in_utc_is_shown_in_the_readers_own_time() -> None:
    """As `utc` writes it, among mentions and in escaped text; what no calendar has, or what was cut, stays as it is."""
    moment = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
    said = f"<@U02BOB> has frozen <all> since {t.utc(moment)}: audit"
    assert (
        t.keep_mentions(said) == f"<@U02BOB> has frozen &lt;all&gt; since {t.when(moment)}: audit"
    )
    for other in ("2026-13-41 09:00 UTC", "2026-11-03 09:00 UT", "2026-11-03 09:00"):
        assert t.keep_mentions(other) == other
