"""What a call does: ``CallMachine.handle(event, now) -> orders``. Total: any event, in any state, returns.

Each leg is PENDING, OPEN or CLOSED (the phone also AWAY, while its stream is being replaced); the state of the call is
read off the pair::

                   agent PENDING   agent OPEN   agent CLOSED
    phone PENDING    SETUP           SETUP        doomed: said when the stream comes
    phone OPEN       CONNECTING      ACTIVE       leaving: the last words are heard, then fallback / hang up
    phone AWAY       as OPEN, for a bounded time
    over             (absorbing)

Time comes in as ``now`` (seconds of the call's own monotonic clock, 0 at the offer) and as TimedOut events.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from bridge.call import agent_leg, conversation, ending, phone_leg
from bridge.call import events as e
from bridge.call.conversation import agent_audio
from bridge.call.events import AgentAudio, PhoneAudio
from bridge.call.interruption import InterruptionPolicy
from bridge.call.phone_leg import phone_audio
from bridge.call.plan import CallPlan
from bridge.call.record import CallRecord
from bridge.call.state import JOURNAL, Call, Leg
from bridge.errors import Reason

Rule = Callable[[Call, Any, float], list[e.Order]]
Alarm = Callable[[Call, float], list[e.Order]]

RULES: Final[dict[type[e.Event], Rule]] = {
    PhoneAudio: phone_audio,
    e.PhoneOpened: phone_leg.phone_opened,
    e.PhoneReached: phone_leg.phone_reached,
    e.PhoneDigit: phone_leg.phone_digit,
    e.PhoneClosed: phone_leg.phone_closed,
    e.PhoneAlive: phone_leg.phone_alive,
    e.PhoneStalled: phone_leg.phone_stalled,
    e.CarrierEnded: phone_leg.carrier_ended,
    e.StreamPromised: phone_leg.stream_promised,
    e.AgentProgress: agent_leg.agent_progress,
    e.AgentReady: agent_leg.agent_ready,
    e.AgentFailed: agent_leg.agent_failed,
    e.AgentClosed: agent_leg.agent_closed,
    AgentAudio: agent_audio,
    e.AgentText: conversation.agent_text,
    e.AgentTextCorrected: conversation.agent_text_corrected,
    e.CallerText: conversation.caller_text,
    e.AgentTurnComplete: conversation.agent_turn_complete,
    e.AgentInterrupted: conversation.agent_interrupted,
    e.AgentPing: conversation.agent_ping,
    e.AgentToolCall: conversation.agent_tool_call,
    e.AgentExpired: conversation.agent_expired,
    e.AgentProblem: conversation.agent_problem,
    e.Garbage: conversation.garbled,
    e.EndRequested: ending.end_requested,
    e.TransferRequested: ending.transfer_requested,
    e.Superseded: ending.superseded,
}

ALARMS: Final[dict[str, Alarm]] = {
    "agent": agent_leg.agent_late,
    "retry": agent_leg.connect_now,
    "prewarm": agent_leg.give_back,
    "stall": agent_leg.stall_check,
    "stream": phone_leg.no_stream,
    "hold": phone_leg.hold_on,
    "mark": phone_leg.mark_time,
    "overdue": phone_leg.marks_overdue,
    "patience": phone_leg.out_of_patience,
    "gone": phone_leg.gone,
    "media": phone_leg.media_check,
    "drain": ending.drained,
    "duration": ending.too_long,
}


# What happens several times a second of any call tells nothing where it leads to nothing: the journal's room is for the rest.
ROUTINE: Final = frozenset({"PhoneReached", "AgentPing", "mark", "overdue", "media", "stall"})
QUIET: Final = frozenset({e.StartTimer, e.StopTimer, e.PlayMark, e.SendPong})


class CallMachine:
    """One call. Owns the record and everything that decides; knows no socket, task or clock."""

    def __init__(self, plan: CallPlan, record: CallRecord, policy: InterruptionPolicy) -> None:
        self.call = Call(plan, record, policy)
        self.journal: list[tuple[float, str, tuple[str, ...]]] = []

    @property
    def record(self) -> CallRecord:
        """The account of the call, always up to date."""
        return self.call.record

    @property
    def over(self) -> bool:
        """The call has ended: every further event is ignored."""
        return self.call.over

    def start(self, now: float) -> list[e.Order]:
        """The call has been offered and admitted. What the bridge says first waits for the stream."""
        call = self.call
        orders: list[e.Order] = [e.StartTimer("stream", phone_leg.STREAM_S), e.Save()]
        if call.plan.resumed:
            call.say("one_moment", now)
        if call.plan.prewarm:
            orders.append(e.StartTimer("prewarm", call.plan.prewarm_hold_s))
            orders += agent_leg.try_agent(call, call.candidates.first(now), now)
        return orders

    def handle(self, event: e.Event, now: float) -> list[e.Order]:
        """What follows from ``event``. Total: unknown and late ones are counted or ignored."""
        call = self.call
        if call.over:
            return []
        kind = type(event)
        if kind is PhoneAudio:  # fifty times a second, as is the next: ahead of the rest
            orders = phone_audio(call, event, now)  # type: ignore[arg-type]
        elif kind is AgentAudio:
            orders = agent_audio(call, event, now)  # type: ignore[arg-type]
        else:
            orders = self._orders(event, now)
        if call.ear is not None:
            call.ear.sent(orders, now)
        return orders

    def _orders(self, event: e.Event, now: float) -> list[e.Order]:
        call = self.call
        kind = type(event)
        if isinstance(event, e.TimedOut):
            alarm = ALARMS.get(event.name)
            orders = [] if alarm is None else alarm(call, now)
            self._remember(event.name, orders, now)
            return orders
        rule = RULES.get(kind)
        if rule is None:
            label = event.kind if isinstance(event, e.Ignored) else kind.__name__
            call.ignored[label] = call.ignored.get(label, 0) + 1
            return []
        orders = rule(call, event, now)
        self._remember(kind.__name__, orders, now)
        return orders

    def abandon(self, reason: Reason, now: float) -> list[e.Order]:
        """The call cannot go on, whatever its rules say: the end, as far as it was not reached."""
        call = self.call
        call.over = True
        call.phone = call.agent = Leg.CLOSED
        call.record.detail.setdefault("then", "hangup")
        call.record.finish(reason, call.record.created_at + timedelta(seconds=now))
        return [e.DropAgent(stopped=False), e.ClosePhone("hangup"), e.Save(), e.Ended()]

    def _remember(self, what: str, orders: list[e.Order], now: float) -> None:
        if what in ROUTINE and all(type(order) in QUIET for order in orders):
            return
        self.journal.append((round(now, 3), what, tuple(type(order).__name__ for order in orders)))
        if len(self.journal) > JOURNAL:
            del self.journal[0]
