"""One call, asked for by an operator: stored, for the worker to dial at once or when its time has come."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bridge.call.record import CallRecord, Direction, Status
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.wanted import Wanted
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import Denied
from bridge.store.calls import Calls
from bridge.store.tables import micros

LONGEST_S: Final = 14_400  # of a call at the carrier
TALK_SLACK_S: Final = 60  # the carrier's own limit is behind ours, which lets the agent finish

_WHY: Final = {
    "full": "every instance has as many calls as it can take, or has promised them to people who are being called",
    "rate": "calls are placed faster than allowed",
    "concurrent": "as many calls as allowed are under way",
    "daily": "as many calls as allowed were placed today",
    "minutes": "as many minutes as allowed were talked today",
}
_KEYS: Final = {
    "full": "max_calls",
    "rate": "outbound.calls_per_second",
    "concurrent": "outbound.max_concurrent",
    "daily": "outbound.daily_limit",
    "minutes": "outbound.daily_minutes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """``draining`` says whether nothing may be begun any more."""

    policy: Policy
    calls: Calls
    attempts: Attempts
    draining: Callable[[], bool]

    async def place(self, wanted: Wanted, *, call_id: str) -> CallRecord:
        """Store the call: the worker dials it at once, or not before ``not_before``. Raises Refused.

        The same ``call_id`` again: the record that is there.
        """
        now = datetime.now(UTC)
        if self.draining():
            raise Refused(
                "the bridge is draining", status=503, hint="Ask another instance, or later.", retry_after_s=30
            )
        record = record_of(wanted, call_id=call_id, now=now, policy=self.policy)
        attempt = attempt_of(wanted, call_id=call_id, due=wanted.not_before or now, policy=self.policy)
        if wanted.not_before is not None and wanted.not_before > now:
            added = await self.attempts.add(attempt, record)
            if isinstance(added, Denied):
                raise refusal(added)
            return record if added else await self._known(call_id)
        begun = await self.attempts.begin(attempt, record, budget=self.policy.budget, now=now)
        if isinstance(begun, Denied):
            raise refusal(begun)
        if begun is None:
            return await self._known(call_id)
        return record

    async def _known(self, call_id: str) -> CallRecord:
        record = await self.calls.get(call_id)
        if record is None:
            raise Refused("the call was deleted", status=404)
        return record


def new_call_id(key: str = "") -> str:
    """Of a call: at random, or always the same for the same idempotency key."""
    token = hashlib.sha256(key.encode()).hexdigest()[:24] if key else secrets.token_hex(12)
    return f"call_{token}"


def record_of(wanted: Wanted, *, call_id: str, now: datetime, policy: Policy) -> CallRecord:
    """The account of a call that is to be placed."""
    detail: dict[str, Any] = {"variables": dict(wanted.variables), "max_duration_s": wanted.max_duration_s}
    if wanted.first_message:
        detail["overrides"] = {"first_message": wanted.first_message}
    if policy.first_line:
        detail["first_line"] = policy.first_line
    if wanted.machine_detection != "off":
        detail["machine_detection"] = wanted.machine_detection
        detail["voicemail_message"] = wanted.voicemail_message
    return CallRecord(
        call_id=call_id,
        direction=Direction.OUTBOUND,
        from_number=wanted.from_,
        to_number=wanted.to,
        line=wanted.line,
        agent=wanted.agent,
        created_at=now,
        status=Status.QUEUED,
        detail=detail,
    )


def attempt_of(wanted: Wanted, *, call_id: str, due: datetime, policy: Policy) -> Attempt:
    """How it is to be dialled."""
    return Attempt(
        call_id=call_id,
        from_number=wanted.from_,
        to_number=wanted.to,
        due_us=micros(due),
        not_after_us=None if wanted.not_after is None else micros(wanted.not_after),
        plan={
            "machine_detection": wanted.machine_detection,
            "ring_timeout_s": policy.ring_timeout_s,
            # Where a person may take the call over, they talk as long as they like: the bridge ends the agent's part itself.
            "time_limit_s": LONGEST_S if policy.hands_over else min(wanted.max_duration_s + TALK_SLACK_S, LONGEST_S),
        },
    )


def refusal(denied: Denied) -> Refused:
    """A denial in words."""
    if denied.why == "suppressed":
        return Refused("this person must not be called", hint="The number is on the suppression list.")
    return Refused(
        _WHY[denied.why],
        status=429,
        hint=f"Wait, or raise {_KEYS[denied.why]}.",
        retry_after_s=max(1.0, denied.retry_after_s),
    )
