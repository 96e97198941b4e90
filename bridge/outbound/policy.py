"""The rules of every call that the bridge places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from bridge.call.plan import Line
from bridge.outbound.numbers import Destinations, is_e164
from bridge.outbound.refusal import Refused
from bridge.store.budget import Budget


@dataclass(slots=True, kw_only=True)
class Policy:
    """``lines``: our numbers by number, "*" for any other. Times in seconds. Changes only by ``become``."""

    destinations: Destinations
    budget: Budget
    lines: Mapping[str, Line]
    agents: frozenset[str]
    caller_numbers: tuple[str, ...] = ()
    machine_detection: str = "off"
    ring_timeout_s: int = 30
    max_duration_s: int = 1800
    first_line: str = ""
    hands_over: bool = False  # calls may be transferred to a person
    public_url: str = ""

    def become(self, other: Policy) -> None:
        """The rules have changed: whoever has this object has the new ones."""
        for each in fields(Policy):
            setattr(self, each.name, getattr(other, each.name))

    def caller(self, number: str) -> Line:
        """The line that a number of ours is. Raises Refused where it is none."""
        line = None
        if is_e164(number):
            line = self.lines.get(number)
            if line is None and (number in self.caller_numbers or not self._explicit()):
                line = self.lines.get("*")
        if line is None:
            raise Refused("the caller's number is not a line of ours", hint="Name it in [[lines]].")
        return line

    def default_caller(self) -> str:
        """The number that is called from where nobody says. Raises Refused where there is more than one to choose from."""
        choice = self.caller_numbers or tuple(number for number in self.lines if number != "*")
        if len(choice) == 1:
            return choice[0]
        raise Refused("it is not said which line calls", hint='Give "from": one of our lines.')

    def _explicit(self) -> bool:
        return any(number != "*" for number in self.lines)
