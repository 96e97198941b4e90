"""Which of our numbers calls."""

import pytest

from bridge.call.plan import Line
from bridge.outbound.numbers import Destinations
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.store.budget import Budget

ONE, TWO, OTHER = "+12125550100", "+12125550101", "+12125550199"


def policy(*lines: str, callers: tuple[str, ...] = ()) -> Policy:
    """With these lines; "*" is any number."""
    return Policy(
        destinations=Destinations(["+1"]),
        budget=Budget(),
        lines={number: Line(number=number, agents=("support",)) for number in lines},
        agents=frozenset({"support"}),
        caller_numbers=callers,
    )


def test_a_line_of_ours_calls() -> None:
    """A configured number is its own line, be there others or not."""
    assert policy(ONE, TWO, "*").caller(TWO).number == TWO


@pytest.mark.parametrize(("lines", "callers"), [(("*",), ()), ((ONE, "*"), (OTHER,))])
def test_any_number_calls_by_the_line_for_all_only_where_nothing_narrows_it(
    lines: tuple[str, ...], callers: tuple[str, ...]
) -> None:
    """The line for any number lets a number call where no line has a name, or where the number is named as a caller."""
    assert policy(*lines, callers=callers).caller(OTHER).number == "*"


@pytest.mark.parametrize(
    ("lines", "callers"), [((ONE,), ()), ((ONE, "*"), ()), ((ONE, "*"), (TWO,)), ((), ()), ((ONE,), (OTHER,))]
)
def test_a_number_that_is_not_ours_never_calls(lines: tuple[str, ...], callers: tuple[str, ...]) -> None:
    """Nobody is called from a number that no line answers for."""
    with pytest.raises(Refused) as caught:
        policy(*lines, callers=callers).caller(OTHER)
    assert caught.value.status == 422
    assert OTHER not in str(caught.value)


def test_the_only_number_calls_where_nobody_says() -> None:
    """One line, or one caller's number among many lines, needs no naming."""
    assert policy(ONE, "*").default_caller() == ONE
    assert policy(ONE, TWO, callers=(TWO,)).default_caller() == TWO


@pytest.mark.parametrize(("lines", "callers"), [((ONE, TWO), ()), (("*",), ()), ((ONE,), (ONE, TWO))])
def test_no_number_is_guessed(lines: tuple[str, ...], callers: tuple[str, ...]) -> None:
    """Where there is none or a choice, the request has to say which line calls."""
    with pytest.raises(Refused):
        policy(*lines, callers=callers).default_caller()


@pytest.mark.parametrize("number", ["*", "", "2125550199", "+0", "+1212555019x", "+12125550199 "])
@pytest.mark.parametrize("lines", [("*",), (ONE, "*")])
def test_what_is_no_number_never_calls(number: str, lines: tuple[str, ...]) -> None:
    """The name of the line for all others is not a number to call from, nor is anything else."""
    with pytest.raises(Refused):
        policy(*lines, callers=(number,)).caller(number)
