"""Which handler a word means, and which one runs when nothing is said."""

from __future__ import annotations

import pytest

from starwhale.domain.job import HandlerRecord
from starwhale.errors import NotFoundError, UnknownOptionError, UsageError
from starwhale.handlers.argument import check_loose_options
from starwhale.handlers.discover import select


def handlers(**needs: tuple[str, ...]) -> dict[str, HandlerRecord]:
    """Records by name; `a__B_c` is written for `a:B.c`."""

    def name(short: str) -> str:
        return short.replace("__", ":").replace("_", ".")

    return {
        name(short): HandlerRecord(name=name(short), kind="handler", needs=tuple(name(need) for need in wanted))
        for short, wanted in needs.items()
    }


CHAIN = handlers(ev__predict=(), ev__score=("ev__predict",), ev__Model_draw=("ev__score",))


def test_nothing_said_is_the_one_that_no_other_needs() -> None:
    assert select(CHAIN, "") == "ev:Model.draw"
    with pytest.raises(UsageError, match="several handlers could be meant: a:x, b:y") as caught:
        select(handlers(b__y=(), a__x=()), "")
    assert (caught.value.exit_code, caught.value.hint) == (2, "name one of them: --handler a:x")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("ev:score", "ev:score"),
        ("EV:Score", "ev:score"),
        ("score", "ev:score"),
        ("Model.draw", "ev:Model.draw"),
        ("draw", "ev:Model.draw"),
        ("0", "ev:Model.draw"),
        ("2", "ev:score"),
    ],
)
def test_a_word_means(word: str, meant: str) -> None:
    assert select(CHAIN, word) == meant


def test_a_function_of_two_modules_is_not_guessed() -> None:
    both = handlers(a__run=(), b__run=(), b__walk=())
    assert select(both, "walk") == "b:walk"
    with pytest.raises(UsageError, match="several handlers could be meant: a:run, b:run"):
        select(both, "run")


@pytest.mark.parametrize(
    ("word", "says"), [("scor", "did you mean 'score'"), ("9", "no handler at position 9"), ("zzz", "'zzz'")]
)
def test_what_is_not_there_lists_all(word: str, says: str) -> None:
    with pytest.raises(NotFoundError, match=says) as caught:
        select(CHAIN, word)
    assert "0: ev:Model.draw, 1: ev:predict, 2: ev:score" in caught.value.hint


OPTIONS = {"ev:Options": {"epochs": {"is_flag": False}, "dry_run": {"is_flag": True}}}
RECORD = HandlerRecord(name="ev:train", kind="handler", arguments=OPTIONS)


@pytest.mark.parametrize(
    "words",
    [(), ("--epochs", "3"), ("--epochs=3", "--dry-run"), ("--dry_run", "--epochs", "-3"), ("--epochs", "--dry-run")],
)
def test_options_of_the_handlers_stand_before_the_dashes_too(words: tuple[str, ...]) -> None:
    check_loose_options(words, [RECORD])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--epoch", "3"), "no option '--epoch'; did you mean --epochs"),
        (("--epochs", "3", "more"), "nothing takes the word 'more'"),
        (("--dry-run", "more"), "nothing takes the word 'more'"),
        (("-e", "3"), "no option '-e'"),
    ],
)
def test_an_option_that_no_handler_has_is_refused(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(UnknownOptionError, match=says) as caught:
        check_loose_options(words, [RECORD])
    assert caught.value.exit_code == 2
