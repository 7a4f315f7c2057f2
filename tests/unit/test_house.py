"""The rules of the house, read from the files that git tracks: sizes, docstrings, nothing of the machine they were written on."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
SHORT_FUNCTION_LINES = 25
SHORT_SHARE_MIN = 0.9

FOREIGN = re.compile(
    "|".join(
        (
            r"(?<![\w.])/" + r"(?:work|root|home/\w+|Users/\w+)/",
            r"https?://[\w.-]*(?:artifactory|nexus|jfrog|devpi|pypi-proxy)[\w.-]*",
            r"--(?:extra-)?index-url",
            r"files\.python" + r"hosted\.org",
        )
    )
)
"""A path of someone's machine, or a package registry: neither exists where this is cloned."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is not a git clone")
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


@cache
def _sources() -> tuple[tuple[str, str, ast.Module], ...]:
    read = ((path, path.read_text(encoding="utf-8")) for path in _tracked("*.py"))
    return tuple((str(path.relative_to(ROOT)), text, ast.parse(text)) for path, text in read)


@pytest.fixture(scope="module", autouse=True)
def _forgotten() -> Iterator[None]:
    """What was read once for all tests of this module goes with it."""
    yield
    _sources.cache_clear()


def _functions() -> Iterator[tuple[str, Function]]:
    for name, _, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name}:{node.lineno} {node.name}", node


def _length(function: Function) -> int:
    """Lines from the first decorator to the end, without the docstring."""
    first = min(node.lineno for node in (function, *function.decorator_list))
    lines = (function.end_lineno or first) - first + 1
    said = function.body[0] if ast.get_docstring(function, clean=False) else None
    return lines - ((said.end_lineno or 0) - said.lineno + 1 if said else 0)


def test_files_are_short() -> None:
    """No source file has more than 400 lines."""
    lengths = {name: len(text.splitlines()) for name, text, _ in _sources()}
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_functions_are_short() -> None:
    """No function has more than 60 lines, and nine of ten have 25 at most, docstrings aside."""
    lengths = {place: _length(function) for place, function in _functions()}
    assert {place: lines for place, lines in lengths.items() if lines > FUNCTION_LINES_MAX} == {}
    short = sum(lines <= SHORT_FUNCTION_LINES for lines in lengths.values())
    assert short / len(lengths) >= SHORT_SHARE_MIN


def test_every_module_says_what_it_is_for() -> None:
    """Every module begins with a docstring."""
    assert [name for name, _, tree in _sources() if not ast.get_docstring(tree)] == []


def test_nothing_is_left_to_do_later() -> None:
    """No source file holds a note of unfinished work, or swallows an exception with a lone pass."""
    notes = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [name for name, text, _ in _sources() if notes.search(text)] == []
    swallowed = [
        f"{name}:{node.lineno}"
        for name, _, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and isinstance(node.body[0], ast.Pass)
    ]
    assert swallowed == []


def test_nothing_names_the_machine_it_was_written_on() -> None:
    """No tracked text holds an absolute path of a developer's machine or the host of a package registry."""
    found = []
    for path in _tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:  # a picture
            continue
        place = path.relative_to(ROOT)
        found += [f"{place}:{n}: {line}" for n, line in enumerate(lines, 1) if FOREIGN.search(line)]
    assert found == []
