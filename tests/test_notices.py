"""What has no effect is said: a warning for programs, one line on standard error for people."""

import warnings

import pytest

from adamesh import parallel
from adamesh.errors import InputNotice, notice, print_notices


def say(line: str) -> None:
    notice(line)


def test_a_notice_is_a_warning_of_its_caller() -> None:
    with pytest.warns(InputNotice, match="^the tongue is left out$") as said:
        say("the tongue is left out")
    assert said[0].filename == __file__


def test_printed_notices_are_lines_each_once(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        print_notices()
        for line in ("no head", "no head", "no eyes"):
            say(line)
    assert capfd.readouterr().err == "note: no head\nnote: no eyes\n"


def test_other_warnings_stay_warnings() -> None:
    with warnings.catch_warnings():
        print_notices()
        with pytest.raises(DeprecationWarning, match="old"):  # as the tests' filter has it
            warnings.warn("old", DeprecationWarning, stacklevel=1)


def test_workers_print_theirs(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(parallel.map(say, ["no jaw"], jobs=1)) == [(0, None)]
    assert "note: no jaw\n" in capfd.readouterr().err
