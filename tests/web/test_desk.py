"""What the reception has at hand."""

import pytest

from bridge.call.plan import Line
from bridge.web.desk import Desk
from tests.web.desk import LINE, OURS


@pytest.mark.parametrize(
    ("number", "agent"), [(OURS, "support"), ("+15550199", "anybody"), ("", "anybody"), ("client:ada", "anybody")]
)
def test_a_number_without_a_line_of_its_own_has_the_one_for_all(number: str, agent: str) -> None:
    """Its own wins."""
    desk = Desk(**dict.fromkeys(REQUIRED) | {"lines": {OURS: LINE, "*": Line("*", ("anybody",))}})  # type: ignore[arg-type]
    found = desk.line(number)
    assert found is not None
    assert found.agents[0] == agent


def test_a_number_may_have_no_line() -> None:
    """Where there is none for all."""
    desk = Desk(**dict.fromkeys(REQUIRED) | {"lines": {OURS: LINE}})  # type: ignore[arg-type]
    assert desk.line("+15550199") is None


REQUIRED = (
    "account_sid",
    "instance",
    "lines",
    "answers",
    "switchboard",
    "factory",
    "calls",
    "grants",
    "saved",
    "transfers",
    "takeover",
)
