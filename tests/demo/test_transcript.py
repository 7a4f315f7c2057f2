"""The transcript: Slack messages as people read them on a terminal."""

from bot.demo.transcript import plain, transcript

NAMES = {"U1": "Ada", "B1": "Ferry", "S1": "admins", "C1": "migrations"}


def test_markup_becomes_words() -> None:
    """Ids become names, dates their text in UTC, bold, code and emoji their plain words."""
    said = "*SUCCESSFUL* :warning: <@U1> of <!subteam^S1> in <#C1>, <!date^1^{time}|10:00 UTC>: `a &lt; b` <http://x|here>"
    assert (
        plain(said, NAMES) == "SUCCESSFUL ! @Ada of @admins in #migrations, 10:00 UTC: a < b here"
    )


def test_products_of_numbers_stay() -> None:
    """A star that is no markup, and an unknown id, stay as they are."""
    assert plain("2 * 3 * 4 <@U9>", NAMES) == "2 * 3 * 4 @U9"


def test_blocks_become_lines() -> None:
    """Headers, fields, tables and buttons are drawn; a reply is indented under its root."""
    table = {
        "type": "table",
        "column_settings": [{"is_wrapped": True}, {"align": "right"}],
        "rows": [
            [{"type": "raw_text", "text": "Collection"}, {"type": "raw_text", "text": "Entities"}],
            [{"type": "raw_text", "text": "products"}, {"type": "raw_text", "text": "10"}],
        ],
    }
    root = {
        "ts": "0.000001",
        "user": "B1",
        "text": "not shown when there are blocks",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Migrate a"}},
            {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Source*\n`a`"}]},
            table,
            {
                "type": "actions",
                "elements": [{"text": {"text": "Approve"}}, {"text": {"text": "Reject"}}],
            },
        ],
    }
    reply = {"ts": "60.000001", "thread_ts": "0.000001", "user": "U1", "text": "Thanks"}
    assert transcript([root, reply], NAMES).splitlines() == [
        "Ferry · 00:00:00",
        "    == Migrate a ==",
        "    Source: a",
        "    Collection  Entities",
        "    products          10",
        "    [Approve] [Reject]",
        "",
        "    Ada · 00:01:00",
        "        Thanks",
    ]
