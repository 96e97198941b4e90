"""A live call without sockets."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.call import events as e
from bridge.call.record import CallRecord, Direction, Status


class Live:
    """A call that goes on, and what it was told."""

    def __init__(self, number: int = 1, *, agent: str = "support", person: str = "+15550123456") -> None:
        self.facts: dict[str, Any] = {}
        self.now = 3.0
        self.leaving = False
        self.events: list[e.Event] = []
        self.record = CallRecord(
            call_id=f"call_{number}",
            carrier_call_id=f"CA{number:032x}",
            direction=Direction.INBOUND,
            from_number=person,
            to_number="+15550100",
            line="+15550100",
            agent=agent,
            created_at=datetime.now(UTC),
            started_at=datetime.now(UTC),
            status=Status.IN_PROGRESS,
        )

    def handle(self, event: e.Event) -> None:
        """Keep it."""
        self.events.append(event)

    def noted(self, kind: str) -> list[dict[str, Any]]:
        """The record's events of a kind."""
        return [event for event in self.record.events if event["type"] == kind]


class Hands:
    """What was done to the world; ``fails`` is raised instead."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.able = True
        self.fails: Exception | None = None

    def _do(self, *what: Any) -> None:
        if self.fails is not None:
            raise self.fails
        self.done.append(what)

    async def send_digits(self, call: Any, digits: str) -> None:
        """As told."""
        self._do("digits", digits)

    async def send_text(self, *, to: str, from_: str, body: str) -> bool:
        """As told."""
        self._do("text", to, from_, body)
        return self.able

    async def schedule_callback(self, call: Any, at: datetime, *, note: str) -> bool:
        """As told."""
        self._do("callback", at, note)
        return self.able

    async def opt_out(self, number: str) -> bool:
        """As told."""
        self._do("opt_out", number)
        return self.able


@pytest.fixture
def live() -> Live:
    """One."""
    return Live()


@pytest.fixture
def hands() -> Hands:
    """A pair."""
    return Hands()
