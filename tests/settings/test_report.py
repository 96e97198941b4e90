"""Mistakes, and where their values were given."""

import pytest

from bridge.settings.report import MAX_MISTAKES, Report, shown, suggestion


def test_a_mistake_is_found_by_its_line() -> None:
    """Its own, else that of what holds it, else the file's name."""
    report = Report("bridge.toml", lines={("lines", 0): 5, ("lines", 0, "agent"): 7})
    report.add(("lines", 0, "agent"), "unknown", "Name one.")
    (mistake,) = report.mistakes
    assert (mistake.where, mistake.key) == ("bridge.toml:7", "lines[0].agent")
    assert report.where(("lines", 0, "number", 3)) == "bridge.toml:5"
    assert report.where(("port",)) == "bridge.toml"


def test_what_the_file_did_not_give_is_not_looked_for_in_it() -> None:
    """The environment's variable is named, for all that it holds."""
    report = Report("bridge.toml", lines={("a",): 1}, origins={("a",): "environment, BRIDGE_A"})
    assert report.where(("a", "b")) == "environment, BRIDGE_A"
    assert report.origin(("a", "b")) == "environment, BRIDGE_A"
    assert report.origin(("b",)) is None


def test_bad_is_what_a_mistake_is_at_in_or_around() -> None:
    """So that no second mistake is told of the same thing; neighbours are fine."""
    report = Report("bridge.toml")
    report.add(("a", "b"), "wrong", "Mend it.")
    assert all(map(report.bad, [("a",), ("a", "b"), ("a", "b", 0)]))
    assert not any(map(report.bad, [("a", "c"), ("b",), ("a", "c", "b")]))


def test_a_file_of_another_kind_is_not_told_of_for_ever() -> None:
    """So many mistakes are kept; those beyond still count as bad."""
    report = Report("bridge.toml")
    for number in range(MAX_MISTAKES + 5):
        assert report.full is (number >= MAX_MISTAKES)
        report.add(("a", number), "wrong", "Mend it.")
    assert len(report.mistakes) == MAX_MISTAKES
    assert report.bad(("a", MAX_MISTAKES + 4))


def test_no_key_forges_a_line_of_output() -> None:
    """Strange ones are quoted and cut."""
    assert shown(("lines", 0, "agent-1")) == "lines[0].agent-1"
    assert shown(("a", "b\nFAIL: c")) == r"a.'b\nFAIL: c'"
    assert len(shown(("x" * 10_000,))) < 80
    assert shown(("\u00e9",)) == r"'\xe9'"


@pytest.mark.parametrize(("word", "found"), [("agnet", 'Did you mean "agent"? '), ("AGENT", 'Did you mean "agent"? ')])
def test_a_slip_is_guessed(word: str, found: str) -> None:
    """From what is known."""
    assert suggestion(word, ["agent", "number"]) == found


@pytest.mark.parametrize("word", ["zzz", "", "x" * 100_000])
def test_what_is_no_slip_is_not_repeated(word: str) -> None:
    """It may be a secret in the wrong place."""
    assert suggestion(word, ["agent", "number"]) == ""
