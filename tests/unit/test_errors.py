"""The failure tree: every class can be told apart by its code, and its exit status follows from it."""

import re

import pytest

import engine
from engine import errors
from engine.errors import (
    FerryError,
    InputRejected,
    NeedsPerson,
    StopWork,
    TemporaryFailure,
    exit_code_of,
)
from engine.model import ErrorText
from engine.runner import unexpected_text

BRANCHES = {InputRejected: 2, TemporaryFailure: 5, NeedsPerson: 7}
CLASSES = [each for each in errors._classes(FerryError) if each.__module__.startswith("engine.")]


def test_no_two_failures_share_a_code() -> None:
    """Every class of the engine has a code of its own, so that a stored failure says which it was."""
    assert engine.plan  # everything that fails is imported with it
    codes = [each.code for each in CLASSES]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"E(-[A-Z]+)+", code) for code in codes)


@pytest.mark.parametrize("failure", CLASSES, ids=lambda each: each.__name__)
def test_the_exit_status_follows_the_branch(failure: type[FerryError]) -> None:
    """2: the user must change something, 5: try again later, 7: a person must look; the stored code gives the same."""
    branch = next((base for base in BRANCHES if issubclass(failure, base)), None)
    expected = BRANCHES[branch] if branch else 7
    assert failure.exit_code == expected
    assert exit_code_of(failure.code) == expected


def test_an_unknown_code_needs_a_person() -> None:
    """A code that this version does not know exits as what a person must look at."""
    assert exit_code_of("E-FROM-THE-FUTURE") == 7
    assert exit_code_of(unexpected_text(ValueError("x")).code) == 7


def test_signals_are_no_errors() -> None:
    """Cancel, shutdown and a lost lease pass every `except Exception`."""
    signals = errors.StopWork.__subclasses__()
    assert {each.__name__ for each in signals} == {
        "CancelRequested",
        "LeaseLost",
        "PauseRequested",
        "ShutdownRequested",
    }
    assert not issubclass(StopWork, Exception)


def test_a_failure_reads_as_its_sentences() -> None:
    """What happened, in what state the data is, what to do now, in this order; the ledger keeps them apart."""
    failure = InputRejected("It broke.", state="Nothing was changed.", next_step="Mend it.")
    assert str(failure) == "It broke. Nothing was changed. Mend it."
    told = ErrorText(**failure.parts)
    assert (told.code, told.message, told.state, told.next_step) == (
        "E-INPUT",
        "It broke.",
        "Nothing was changed.",
        "Mend it.",
    )


def test_the_tree_is_drawn_as_it_is() -> None:
    """The picture at the top of the module names every class of the module, each under its base."""
    drawn = [line for line in (errors.__doc__ or "").splitlines() if re.match(r" {4,}[A-Z]", line)]
    depth = {line.split()[0]: len(line) - len(line.lstrip()) for line in drawn}
    for each in CLASSES:
        if each.__module__ != errors.__name__:
            continue
        base = each.__bases__[0]
        assert depth[each.__name__] == (4 if base is Exception else depth[base.__name__] + 2)
