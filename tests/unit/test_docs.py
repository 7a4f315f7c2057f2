"""The documents name tests that exist: a promise whose test was renamed or deleted is found here."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
NAMED = re.compile(
    r"`(?:tests/)?((?:engine|unit|bot|crash|faults|ledger|cli)/[\w/]+\.py)(?:::(\w+))?`"
)
ALONE = re.compile(r"`(test_\w+)`")


@pytest.mark.parametrize("name", ["guarantees.md", "failures.md", "comparison.md"])
def test_every_test_that_a_document_names_is_there(name: str) -> None:
    """Each path is a file of tests or of the code, and each name a test in it."""
    said = (ROOT / "docs" / name).read_text()
    known = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    missing = [test for test in ALONE.findall(said) if f"def {test}(" not in known]
    for path, test in NAMED.findall(said):
        file = TESTS / path if (TESTS / path).exists() else ROOT / path
        if not file.exists() or (test and f"def {test}(" not in file.read_text()):
            missing.append(f"{path} {test}")
    assert missing == []
    assert NAMED.search(said)
