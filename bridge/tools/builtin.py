"""The tools that the bridge does itself, for the call at hand and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from bridge.call import events as e
from bridge.call.record import RESULTS
from bridge.errors import BridgeError, Reason
from bridge.tools.arguments import ArgumentRules
from bridge.tools.asking import LiveCall, ToolCall, ToolProblem
from bridge.tools.limits import Allowance, Usage

SOONEST: Final = timedelta(minutes=1)
LATEST: Final = timedelta(days=30)

log = structlog.get_logger("bridge.tools")


class Hands(Protocol):
    """Who can do something to the world for a call. Each may raise BridgeError."""

    async def send_digits(self, call: LiveCall, digits: str) -> None:
        """Play DTMF on the line, and keep the agent."""
        ...

    async def send_text(self, *, to: str, from_: str, body: str) -> bool:
        """Send an SMS. False where this person wants none, or may get none."""
        ...

    async def schedule_callback(self, call: LiveCall, at: datetime, *, note: str) -> bool:
        """Call the person again at that time. False where this deployment places no calls."""
        ...

    async def opt_out(self, number: str) -> bool:
        """Never call or text this number again. False where nobody keeps such a list."""
        ...


_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 1600}
SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "end_call": {
        "type": "object",
        "properties": {"result": {"enum": list(RESULTS)}},  # what the call came to, in a campaign's results
    },
    "transfer_call": {
        "type": "object",
        "required": ["to"],
        "properties": {
            "to": {"type": "string"},
            "summary": {"type": "string", "maxLength": 1000},  # said to whoever takes a warm transfer
        },
    },
    "send_digits": {
        "type": "object",
        "required": ["digits"],
        "properties": {"digits": {"type": "string", "pattern": "^[0-9*#w]{1,32}$"}},
    },
    "send_sms": {"type": "object", "required": ["text"], "properties": {"text": _TEXT}},
    "schedule_callback": {
        "type": "object",
        "required": ["at"],
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "note": {"type": "string", "maxLength": 1000},
        },
    },
    "opt_out": {"type": "object"},
}


@dataclass(frozen=True, slots=True)
class BuiltIns:
    """``run`` does one. ``transfers``: the names that the configuration has now."""

    hands: Hands
    transfers: Collection[str]
    allowance: Allowance = field(default_factory=Allowance)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    rules: Mapping[str, ArgumentRules] = field(
        default_factory=lambda: {name: ArgumentRules(schema) for name, schema in SCHEMAS.items()}
    )

    async def run(self, call: ToolCall, live: LiveCall) -> dict[str, Any]:
        """Do it. Raises ToolProblem."""
        do: dict[str, Callable[[ToolCall, LiveCall], Awaitable[str]]] = {
            "end_call": self._end,
            "transfer_call": self._transfer,
            "send_digits": self._digits,
            "send_sms": self._text,
            "schedule_callback": self._callback,
            "opt_out": self._opt_out,
        }
        self.rules[call.name].check(call.arguments)
        try:
            return {"result": await do[call.name](call, live)}
        except BridgeError as error:
            log.warning("tool_failed", tool=call.name, call_id=live.record.call_id, error=type(error).__name__)
            raise ToolProblem("That could not be done just now.", kind="failed") from None

    async def _end(self, call: ToolCall, live: LiveCall) -> str:
        _note(live, "tool_end_call")
        if result := call.text("result"):
            live.record.came_to(result)
        live.handle(e.EndRequested(Reason.AGENT_HANGUP, after_words=True))
        return "The call ends when your last words have been heard."

    async def _transfer(self, call: ToolCall, live: LiveCall) -> str:
        target = call.text("to")
        if target not in self.transfers:
            # The name is the model's own text: it is kept only where it is one of ours.
            _note(live, "transfer_denied", reason="not_allowed")
            log.warning("transfer_denied", call_id=live.record.call_id, agent=call.agent)
            known = ", ".join(sorted(self.transfers)[:20])
            words = f"The places are: {known}." if known else "This line transfers to nobody."
            raise ToolProblem(f"That transfer is not allowed. {words}", kind="not_allowed")
        if live.record.started_at is None:
            raise ToolProblem(
                "The caller is not on the line yet. Try again when you have heard them.", kind="too_early"
            )
        if live.record.carrier_call_id is None:
            _note(live, "transfer_denied", reason="not_possible")
            raise ToolProblem("This caller is on a softphone, which cannot be transferred.", kind="not_possible")
        if live.leaving:
            raise ToolProblem("The call is ending, or being transferred, already.", kind="too_late")
        try:
            Usage.of(live).spend("transfers", self.allowance.transfers)
        except ToolProblem:
            _note(live, "transfer_denied", reason="limit")
            raise
        _note(live, "tool_transfer_call", to=target)
        live.record.detail["transfer_summary"] = call.text("summary")
        live.handle(e.TransferRequested(target, Reason.AGENT_TRANSFERRED))
        return "The call is transferred when your last words have been heard."

    async def _digits(self, call: ToolCall, live: LiveCall) -> str:
        digits = call.text("digits")
        Usage.of(live).spend("digits", self.allowance.digits)
        _note(live, "tool_send_digits", count=len(digits))
        await self.hands.send_digits(live, digits)
        return "The digits are sent."

    async def _text(self, call: ToolCall, live: LiveCall) -> str:
        record = live.record
        if not record.person.startswith("+"):
            raise ToolProblem("The caller shows no number that a text could be sent to.", kind="no_number")
        Usage.of(live).spend("texts", self.allowance.texts)
        if not await self.hands.send_text(to=record.person, from_=record.line, body=call.text("text")):
            raise ToolProblem("This number takes no text messages.", kind="not_allowed")
        _note(live, "tool_send_sms")
        return "The text message is on its way."

    async def _callback(self, call: ToolCall, live: LiveCall) -> str:
        at = _moment(call.text("at"))
        now = self.clock()
        if not now + SOONEST <= at <= now + LATEST:
            raise ToolProblem("The time must be between a minute and thirty days from now.", kind="bad_arguments")
        if not live.record.person.startswith("+"):
            raise ToolProblem("The caller shows no number that could be called back.", kind="no_number")
        Usage.of(live).spend("callbacks", self.allowance.callbacks)
        if not await self.hands.schedule_callback(live, at, note=call.text("note")):
            raise ToolProblem("This line cannot call back.", kind="not_available")
        _note(live, "tool_schedule_callback", at=at.isoformat())
        live.record.came_to("callback")
        return "The call back is scheduled."

    async def _opt_out(self, call: ToolCall, live: LiveCall) -> str:
        if not live.record.person.startswith("+"):
            raise ToolProblem("The caller shows no number that could be put on the list.", kind="no_number")
        if not await self.hands.opt_out(live.record.person):
            raise ToolProblem("This line keeps no such list.", kind="not_available")
        _note(live, "tool_opt_out")
        live.record.came_to("opted_out")
        return "This number will not be called again."


def _note(live: LiveCall, kind: str, **facts: Any) -> None:
    live.record.add_event(kind, int(live.now * 1000), **facts)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ToolProblem(
            "The argument at must be a time such as 2026-02-15T14:30:00+01:00.", kind="bad_arguments"
        ) from None
    if at.tzinfo is None:
        raise ToolProblem("The argument at needs a time zone, such as 2026-02-15T14:30:00+01:00.", kind="bad_arguments")
    return at
