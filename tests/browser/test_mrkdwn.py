"""Slack's text rules in the page: what each piece of mrkdwn looks like, and that nothing in it becomes markup."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from bot.sandbox import Sandbox, WorkspaceConfig

pytestmark = pytest.mark.browser

DRAW = """async (text) => {
  const [{ mrkdwn }, { patch }] = [await import("/page/mrkdwn.js"), await import("/page/dom.js")];
  const users = { U1: { real_name: "Ada" } }, rooms = { C1: { name: "general" } };
  const names = { me: "U9", user: (id) => users[id], channel: (id) => rooms[id],
                  usergroup: (id) => ({ S7: { handle: "dba" } })[id] };
  const host = document.createElement("div");
  patch(host, mrkdwn(text, names));
  const bare = (node) => [...node.childNodes].map((kid) => {
    if (kid.nodeType === 3) return kid.data;
    const tag = kid.localName, inside = bare(kid);
    if (tag === "a") return `[${inside}](${kid.getAttribute("href")})`;
    if (["b", "i", "s", "code", "pre", "blockquote"].includes(tag)) return `{${tag} ${inside}}`;
    if (kid.className === "bullet") return `{li ${inside}}`;
    return inside;
  }).join("");
  return bare(host);
}"""


@pytest.fixture(scope="module")
def paper(chromium: Browser) -> Iterator[Page]:
    """One page for all cases: they only borrow its scripts."""
    described = {"users": [{"id": "U1", "name": "ada"}], "channels": []}
    with Sandbox(WorkspaceConfig.model_validate(described)) as sandbox:
        context = chromium.new_context(locale="en-US", timezone_id="UTC")
        page = context.new_page()
        page.goto(sandbox.url)
        yield page
        context.close()


CASES = {
    "styles": ("*a b* _c_ ~d~ `e`", "{b a b} {i c} {s d} {code e}"),
    "nested": ("*bold _both_*", "{b bold {i both}}"),
    "inside words": ("snake_case_name 2*3*4 a~b~c", "snake_case_name 2*3*4 a~b~c"),
    "spaces inside": ("* no * _ no _", "* no * _ no _"),
    "code keeps signs": ("`*a* &lt;b&gt; <@U1>`", "{code *a* <b> @U1}"),
    "pre": ("see ```a\n *b*``` end", "see {pre a\n *b*} end"),
    "quote": ("&gt; one\n> two\nthree", "{blockquote one\ntwo}three"),
    "bullets": ("• one\n• *two*", "{li • one}{li • {b two}}"),
    "link": ("<https://a.example/x?y=1&amp;z|label>", "[label](https://a.example/x?y=1&z)"),
    "bare link": (
        "at https://a.example/b_c_d.",
        "at [https://a.example/b_c_d](https://a.example/b_c_d).",
    ),
    "script link": ("<javascript:alert(1)|go>", "go"),
    "mentions": (
        "<@U1> <@U7|old> <#C1> <!here> <!subteam^S1|@ops> <!subteam^S7> <!subteam^S8>",
        "@Ada @old #general @here @ops @dba @S8",
    ),
    "date": ("<!date^1392734382^{date_num} {time_secs}|then>", "2014-02-18 2:39:42 PM"),
    "date fallback": ("<!date^x^{date}|then>", "then"),
    "escapes": ("&lt;b&gt; &amp;amp; <b>x</b>", "<b> &amp; <b>x</b>"),
    "unknown emoji": ("12:30:45 :not_an_emoji:", "12:30:45 :not_an_emoji:"),
    "bar": ("████░░ 66 %", "████░░ 66 %"),
}


@pytest.mark.parametrize(("text", "drawn"), CASES.values(), ids=CASES.keys())
def test_text_is_drawn_as_slack_does(paper: Page, text: str, drawn: str) -> None:
    """Each piece of mrkdwn becomes the elements that Slack shows for it."""
    assert paper.evaluate(DRAW, text) == drawn


def test_bullet_wraps_as_text(paper: Page) -> None:
    """A long bullet with code in it wraps as one text beside its dot, not in columns."""
    lines = paper.evaluate(
        """async (text) => {
          const [{ mrkdwn }, { patch }] = [await import("/page/mrkdwn.js"), await import("/page/dom.js")];
          const host = document.body.appendChild(document.createElement("div"));
          host.style.width = "320px";
          patch(host, mrkdwn(text, {}));
          const [dot, words] = host.querySelector(".bullet").children;
          const code = host.querySelector("code").getBoundingClientRect();
          const range = document.createRange();
          range.selectNode(words.lastChild);
          return [dot.textContent, range.getClientRects()[0].top < code.bottom, code.height];
        }""",
        "• the index parameter `mmap.enabled` is not known to the target and is left out of it",
    )
    assert lines[:2] == ["• ", True]
    assert lines[2] < 30


def test_bar_keeps_its_width(paper: Page) -> None:
    """A progress bar made of text is as wide empty as full, so a message does not move while it runs."""
    widths = paper.evaluate(
        """async (bars) => {
          const [{ mrkdwn }, { patch }] = [await import("/page/mrkdwn.js"), await import("/page/dom.js")];
          return bars.map((bar) => {
            const host = document.body.appendChild(document.createElement("span"));
            patch(host, mrkdwn(bar, {}));
            return host.getBoundingClientRect().width;
          });
        }""",
        ["░" * 20, "█" * 7 + "░" * 13, "█" * 20],
    )
    assert len(set(widths)) == 1
    assert widths[0] > 100
