"""The shapes of a tool call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from bridge.call import events as e
from bridge.call.record import CallRecord


class ToolProblem(Exception):
    """Why a tool was not run. ``str()`` is a sentence that the agent can use; it holds no secret and no number.

    ``kind``: a bounded label for logs and metrics.
    """

    def __init__(self, words: str, *, kind: str) -> None:
        super().__init__(words)
        self.kind = kind


class LiveCall(Protocol):
    """A call that goes on here (``runtime.session.CallSession``)."""

    facts: dict[str, Any]

    @property
    def record(self) -> CallRecord:
        """The account of the call."""
        ...

    @property
    def now(self) -> float:
        """Seconds since the offer."""
        ...

    @property
    def leaving(self) -> bool:
        """It is decided how the call ends, or whom it goes to."""
        ...

    def handle(self, event: e.Event) -> None:
        """Something happened."""
        ...


@dataclass(frozen=True, slots=True)
class About:
    """What a business system is told of the conversation that the tool is called in."""

    call_id: str
    phone_number: str  # the person's, "" where withheld
    called_number: str
    direction: str
    agent: str

    @classmethod
    def of(cls, record: CallRecord) -> About:
        """From the account of a call."""
        outbound = record.direction == "outbound"
        return cls(
            call_id=record.call_id,
            phone_number=record.phone_number,
            called_number=record.from_number if outbound else record.to_number,
            direction=str(record.direction),
            agent=record.agent,
        )

    def public(self) -> dict[str, str]:
        """As the contract has it."""
        return {
            "call_id": self.call_id,
            "phone_number": self.phone_number,
            "called_number": self.called_number,
            "direction": self.direction,
            "agent": self.agent,
        }


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What an agent asks for. ``payload``: the request as it came, which the business system gets.

    ``key``: the same for the same tool call made twice, "" where that cannot be told.
    """

    agent: str
    name: str
    arguments: dict[str, Any]
    payload: dict[str, Any] = field(repr=False)
    key: str = ""

    def text(self, name: str) -> str:
        """An argument that is a text or a number, as text; "" where it is missing."""
        value = self.arguments.get(name)
        return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
