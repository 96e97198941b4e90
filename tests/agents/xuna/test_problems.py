"""Errors and close codes in words."""

import pytest

from bridge.agents.xuna.problems import CLOSES, MEANINGS, NORMAL_CLOSE, problem, problem_of_close
from bridge.call.events import AgentProblem


@pytest.mark.parametrize("kind", MEANINGS)
def test_a_known_error_is_told_by_its_meaning(kind: str) -> None:
    """Not by whatever the agent says besides."""
    found = problem(1008, kind, "raw text")
    assert found == AgentProblem(f"{kind}: {MEANINGS[kind]}", 1008)


def test_an_unknown_error_is_told_in_the_agents_words() -> None:
    """Cleaned and cut; its type is not repeated, or a stranger would invent labels."""
    found = problem(4000, "brand_new", "no\nluck" + "x" * 1000)
    assert found.text.startswith("no luck")
    assert len(found.text) <= 300
    assert "brand_new" not in found.text


def test_an_error_without_words_is_told_by_its_code() -> None:
    """Or owned to be unknown."""
    assert problem(1011, "", " ").text == CLOSES[1011]
    assert problem(4000, "", "").text == "no reason was given"


@pytest.mark.parametrize("code", [NORMAL_CLOSE, 1001, 1006, 4000])
def test_an_end_that_tells_nothing_is_no_problem(code: int) -> None:
    """A normal close above all."""
    assert problem_of_close(code, "bye") is None


@pytest.mark.parametrize("code", CLOSES)
def test_a_close_that_tells_of_a_fault_is_one(code: int) -> None:
    """With the agent's own words behind, bounded."""
    assert problem_of_close(code) == AgentProblem(CLOSES[code], code)
    found = problem_of_close(code, "why\x00not" + "x" * 1000)
    assert found is not None
    assert found.text.startswith(f"{CLOSES[code]}: why not")
    assert len(found.text) < len(CLOSES[code]) + 130
