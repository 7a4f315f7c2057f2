"""Checks blocks, messages, views and options against limits.py and answers as Slack does.

One walker for all of Block Kit plus the rules that concern a payload as a whole. Never changes
what it checks and never stops at the first problem.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from bot.sandbox import limits
from bot.sandbox.elements import options_of
from bot.sandbox.errors import Json
from bot.sandbox.limits import ELEMENTS, OBJECTS
from bot.sandbox.limitsblocks import BLOCKS, VIEWS
from bot.sandbox.specs import Arr, Flag, Free, Kind, Num, Obj, One, Spec, Str, Text

MOST_TYPED = 3000


@dataclass(frozen=True)
class Problem:
    """One violation.

    Attributes:
        pointer: JSON pointer to the offending place.
        code: Slack's error word when it is a special one, else "" (invalid_blocks for messages,
            invalid_arguments for views).
        message: what is wrong, in Slack's words.
        constraint: the limit, when there is one.
        parent: pointer of the text object around it, which Slack names first.
    """

    pointer: str
    code: str
    message: str
    constraint: int | str | None = None
    parent: str | None = None

    def lines(self) -> Iterator[str]:
        """The messages as Slack writes them, without the leading "[ERROR] "."""
        if self.parent is not None:
            yield f"failed to match all allowed schemas [json-pointer:{self.parent}]"
        yield f"{self.message} [json-pointer:{self.pointer}]"

    def as_json(self) -> Json:
        """An item of blocks.validate's `errors`."""
        return {
            "pointer": self.pointer,
            "code": self.code or "invalid_blocks",
            "message": self.message,
            "constraint": self.constraint,
        }


def check_message(blocks: list[Json], attachments: list[Json]) -> list[Problem]:
    """All violations of a message's blocks and of the blocks in its attachments."""
    problems = check_blocks(blocks, "message")
    inner: list[Json] = []
    for index, attachment in enumerate(attachments):
        attached = attachment.get("blocks") or []
        problems += check_blocks(attached, "message", f"/attachments/{index}/blocks")
        inner += attached
    if not problems:
        problems += _one_table([*blocks, *inner])
        if len(_text_of(blocks)) > limits.MOST_BLOCK_CHARACTERS:
            most = limits.MOST_BLOCK_CHARACTERS
            message = f"all blocks together must be less than {most + 1} characters"
            problems.append(Problem("/blocks", "msg_blocks_too_long", message, most))
    return problems


def _one_table(blocks: list[Json]) -> list[Problem]:
    tables = [at for at, kind in _kinds(blocks) if kind in {"table", "data_table"}]
    charts = [at for at, kind in _kinds(blocks) if kind == "data_visualization"]
    problems = [
        Problem(f"/blocks/{at}", "invalid_attachments", "only_one_table_allowed", 1)
        for at in tables[1:]
    ]
    most = limits.MOST_CHARTS
    too_many = f"no more than {most} data_visualization blocks allowed"
    return problems + [Problem(f"/blocks/{at}", "", too_many, most) for at in charts[most:]]


def _kinds(blocks: list[Json]) -> Iterator[tuple[int, str]]:
    for at, block in enumerate(blocks):
        yield at, block["type"]
        for child in block.get("child_blocks", ()):
            yield at, child["type"]


def _text_of(value: Any) -> str:
    if isinstance(value, dict):
        own = value["text"] if isinstance(value.get("text"), str) else ""
        return own + "".join(_text_of(v) for v in value.values() if isinstance(v, dict | list))
    if isinstance(value, list):
        return "".join(_text_of(item) for item in value)
    return ""


def check_view(view: Any) -> list[Problem]:
    """All violations of a modal or a Home tab; pointers begin with /view."""
    if not isinstance(view, dict):
        return [Problem("/view", "", "must provide an object")]
    kind = VIEWS.get(view.get("type", ""))
    if kind is None:
        return [Problem("/view/type", "", f"unsupported type: {view.get('type')}")]
    walker = Walker(view["type"])
    walker.fields(kind, {k: v for k, v in view.items() if k != "type"}, "/view")
    blocks = view.get("blocks")
    if blocks is None:
        return walker.problems
    problems = walker.problems + check_blocks(blocks, view["type"], "/view/blocks")
    if not isinstance(blocks, list):
        return problems
    has_input = any(isinstance(b, dict) and b.get("type") == "input" for b in blocks)
    if view["type"] == "modal" and has_input and not view.get("submit"):
        message = "missing required field: submit (a modal with an input block needs it)"
        problems.append(Problem("/view", "", message))
    return problems


def check_options(answer: Json) -> list[Problem]:
    """All violations of an app's answer to a block_suggestion."""
    walker = Walker("modal")
    if isinstance(answer.get("option_groups"), list):
        walker.check(Arr(Obj("option_group"), 100, 0), answer["option_groups"], "/option_groups")
    else:
        walker.check(Arr(limits.OPTION, 100, 0), answer.get("options"), "/options")
    return walker.problems


def check_blocks(blocks: Any, surface: str, pointer: str = "/blocks") -> list[Problem]:
    """All violations of a list of blocks on a surface: message, modal or home."""
    walker = Walker(surface)
    walker.check(Arr(One(tuple(BLOCKS), "blocks"), limits.MOST_BLOCKS[surface], 0), blocks, pointer)
    if isinstance(blocks, list):
        walker.as_a_whole([b for b in blocks if isinstance(b, dict)], pointer)
    return walker.problems


class Walker:
    """Walks a payload along its description and collects what is wrong."""

    def __init__(self, surface: str) -> None:
        self.surface = surface
        self.problems: list[Problem] = []
        # Each check takes the description of its own type, which a table cannot say.
        self._checks: dict[type[Spec], Callable[[Any, Any, str], None]] = {
            Str: self._string,
            Num: self._number,
            Flag: self._flag,
            Text: self._text,
            Obj: self._object,
            One: self._typed,
            Arr: self._array,
            Free: lambda _spec, _value, _at: None,
        }

    def report(self, pointer: str, message: str, limit: int | str | None = None) -> None:
        """Add a violation."""
        self.problems.append(Problem(pointer, "", message, limit))

    def check(self, spec: Spec, value: Any, at: str) -> None:
        """Check a value of any description."""
        self._checks[type(spec)](spec, value, at)

    def _flag(self, _spec: Flag, value: Any, at: str) -> None:
        if not isinstance(value, bool):
            self.report(at, "must provide a boolean")

    def _object(self, spec: Obj, value: Any, at: str) -> None:
        if self._is_object(value, at):
            self.fields(OBJECTS[spec.name], value, at)

    def _is_object(self, value: Any, at: str) -> bool:
        if not isinstance(value, dict):
            self.report(at, "must provide an object")
        return isinstance(value, dict)

    def _string(self, spec: Str, value: Any, at: str) -> None:
        if not isinstance(value, str):
            self.report(at, "must provide a string")
            return
        if len(value) < spec.least:
            self.report(at, f"must be more than {spec.least - 1} characters", spec.least)
        if spec.most is not None and len(value) > spec.most:
            self.report(at, f"must be less than {spec.most + 1} characters", spec.most)
        if spec.one_of and value not in spec.one_of:
            self.report(at, f"must be a valid enum value: {', '.join(spec.one_of)}")
        if spec.pattern and not re.fullmatch(spec.pattern, value):
            self.report(at, "must match the pattern", spec.pattern)

    def _number(self, spec: Num, value: Any, at: str) -> None:
        kinds = (int, float) if spec.decimal else (int,)
        if not isinstance(value, kinds) or isinstance(value, bool):
            self.report(at, "must provide a number")
            return
        if spec.least is not None and value < spec.least:
            self.report(at, f"must be greater than {spec.least - 1}", spec.least)
        if spec.most is not None and value > spec.most:
            self.report(at, f"must be less than {spec.most + 1}", spec.most)

    def _text(self, spec: Text, value: Any, at: str) -> None:
        if not self._is_object(value, at):
            return
        if value.get("type") not in spec.kinds:
            self.report(f"{at}/type", f"must be a valid enum value: {', '.join(spec.kinds)}")
            return
        inner = Walker(self.surface)
        own = {k: v for k, v in value.items() if k not in {"type", "text"}}
        inner.fields(Kind({"emoji": Flag(), "verbatim": Flag()}), own, at)
        inner.check(Str(spec.most, spec.least), value.get("text"), f"{at}/text")
        self.problems += [
            Problem(p.pointer, p.code, p.message, p.constraint, parent=at) for p in inner.problems
        ]

    def _array(self, spec: Arr, value: Any, at: str) -> None:
        if not isinstance(value, list):
            self.report(at, "must provide an array")
            return
        if len(value) < spec.least:
            self.report(at, f"no fewer than {spec.least} items allowed", spec.least)
        if spec.most is not None and len(value) > spec.most:
            self.report(at, f"no more than {spec.most} items allowed", spec.most)
        for index, item in enumerate(value):
            self.check(spec.of, item, f"{at}/{index}")

    def _typed(self, spec: One, value: Any, at: str) -> None:
        if not self._is_object(value, at):
            return
        kind, is_block = value.get("type"), spec.table == "blocks"
        if not isinstance(kind, str) or kind not in spec.kinds:
            self.report(f"{at}/type", f"unsupported type: {kind}")
            return
        described = BLOCKS[kind] if is_block else ELEMENTS[kind]
        misplaced = kind in limits.MODAL_ONLY_ELEMENTS and self.surface != "modal"
        if misplaced or self.surface not in described.surfaces:
            self.report(f"{at}/type", f"unsupported type: {kind} (not in a {self.surface})")
        common = {"type": Str(), "block_id": limits.ID} if is_block else {"type": Str()}
        self.fields(replace(described, fields=described.fields | common), value, at)
        if not any(problem.pointer.startswith(at) for problem in self.problems):
            for inside, message in _inconsistencies(value):
                self.report(f"{at}/{inside}", message)

    def fields(self, kind: Kind, value: Json, at: str) -> None:
        """Check the fields of an object; null counts as not given, as in Slack."""
        given = {name: inner for name, inner in value.items() if inner is not None}
        for name in kind.required:
            if name not in given:
                self.report(at, f"missing required field: {name}")
        if kind.one_of and not set(kind.one_of) & set(given):
            self.report(at, f"missing required field: one of {', '.join(kind.one_of)}")
        if kind.not_both and set(kind.not_both) <= set(given):
            self.report(at, f"only one of {', '.join(kind.not_both)} allowed")
        for name, inner in given.items():
            if name in kind.fields:
                self.check(kind.fields[name], inner, f"{at}/{name}")
            else:
                self.report(at, f"invalid additional property: {name}")

    def as_a_whole(self, blocks: list[Json], at: str) -> None:
        """Rules over all blocks: ids given twice, one focus, markdown together."""
        self._unique([b.get("block_id") for b in blocks], "block_id", at)
        for index, block in enumerate(blocks):
            actions = [e.get("action_id") for e in _elements(block)]
            self._unique(actions, "action_id", f"{at}/{index}")
        focused = json.dumps(blocks).count('"focus_on_load": true')
        if focused > 1:
            self.report(at, "no more than 1 element with focus_on_load allowed", 1)
        texts = [str(b.get("text")) for b in blocks if b.get("type") == "markdown"]
        if len(texts) > 1 and sum(map(len, texts)) > limits.MOST_MARKDOWN:
            most = limits.MOST_MARKDOWN
            self.report(at, f"all markdown blocks must be less than {most + 1} characters", most)

    def _unique(self, names: list[Any], field: str, at: str) -> None:
        given = [name for name in names if isinstance(name, str)]
        for name in dict.fromkeys(n for n in given if given.count(n) > 1):
            self.report(at, f"`{field}` `{name}` already exists in this payload")


def _elements(block: Json) -> list[Json]:
    listed = block.get("elements")
    candidates = [block.get("accessory"), block.get("element")]
    candidates += listed if isinstance(listed, list) else []
    return [element for element in candidates if isinstance(element, dict)]


def _inconsistencies(element: Json) -> Iterator[tuple[str, str]]:
    """Fields of one element, each of them right, that contradict each other: (field, message)."""
    offered = [option["value"] for option in options_of(element)]
    for field in ("initial_option", "initial_options"):
        chosen = element.get(field) or []
        for option in chosen if isinstance(chosen, list) else [chosen]:
            if offered and option["value"] not in offered:
                yield field, "must be among the options"
    if (element.get("min_length") or 0) > (element.get("max_length") or MOST_TYPED):
        yield "min_length", "must not be greater than max_length"
