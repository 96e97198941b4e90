"""What the reception has at hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bridge.call.plan import Line
from bridge.call.record import CallRecord
from bridge.runtime.factory import SessionFactory
from bridge.runtime.switchboard import Switchboard
from bridge.web.answers import Answers
from bridge.web.call_store import CallStore
from bridge.web.grants import GrantOffice
from bridge.web.routing import Router
from bridge.web.transfers import MAX_TRANSFERS, Place


@dataclass(frozen=True, slots=True)
class Desk:
    """What the reception works with."""

    account_sid: str
    instance: str
    lines: Mapping[str, Line]
    answers: Answers
    switchboard: Switchboard
    factory: SessionFactory
    calls: CallStore
    grants: GrantOffice
    saved: Callable[[CallRecord], None]
    transfers: Mapping[str, Place]
    takeover: Callable[[str, str], Awaitable[None]]  # (call_id, instance): tell it that we have the call now
    first_line: Callable[[], str] = str  # what is said first to whom we call, where the store cannot tell
    most_transfers: Callable[[], int] = lambda: MAX_TRANSFERS  # of one call
    router: Router = field(default_factory=lambda: Router({}, agents={}))

    def line(self, number: str) -> Line | None:
        """How a number of ours is answered."""
        return self.lines.get(number) or self.lines.get("*")
