"""What the front door asks of the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bridge.call.record import CallRecord
from bridge.store.grants import NewGrant


class CallStore(Protocol):
    """Where all instances see the calls (``store.calls.Calls``)."""

    async def offer(self, record: CallRecord, twiml: str | None = None, grant: NewGrant | None = None) -> Offered:
        """Take a call: of all who offer the same one, one wins, and its grant is kept."""
        ...

    async def get(self, any_id: str) -> CallRecord | None:
        """The record."""
        ...

    async def after(self, call_id: str, *, counter: int, twiml: str) -> str:
        """The answer to this counter: the first one given stands."""
        ...

    async def change(self, any_id: str, change: Callable[[CallRecord], object]) -> CallRecord | None:
        """Read, change and write in one step."""
        ...


class Offered(Protocol):
    """Who has the call."""

    @property
    def won(self) -> bool:
        """We have it."""
        ...

    @property
    def record(self) -> CallRecord:
        """The winner's record."""
        ...

    @property
    def twiml(self) -> str | None:
        """The winner's answer."""
        ...
