"""How a call ends: the last words are heard, then the carrier is told what follows; exactly once."""

from __future__ import annotations

from datetime import timedelta

from bridge.call import events as e
from bridge.call.playback import GRACE_S
from bridge.call.record import Status
from bridge.call.state import RELEASE_S, Call, Leaving, Leg
from bridge.errors import Class, Reason


def let_go(call: Call) -> list[e.Order]:
    """Take leave of the agent, whatever it is doing."""
    if call.agent is Leg.OPEN:
        return [e.StopTimer("stall"), e.SendStop(), e.DropAgent(stopped=True)]
    if call.connecting:
        return [e.StopTimer("agent"), e.StopTimer("retry"), e.DropAgent(stopped=False)]
    return []


def drop_agent(call: Call) -> list[e.Order]:
    """Let the agent go; it may be fetched again."""
    orders = let_go(call)
    call.connecting = False
    call.agent = Leg.PENDING
    call.uplink = call.downlink = None
    return orders


def leave(call: Call, leaving: Leaving, now: float) -> list[e.Order]:
    """End the call when what is queued has been heard. The first decision stands."""
    if call.leaving is None:
        call.leaving = leaving
        call.note("leaving", now, reason=str(leaving.reason), then=leaving.then)
    return drain(call, now)


def drain(call: Call, now: float) -> list[e.Order]:
    """Wait until the phone has played everything, by its marks; by the clock where they do not come."""
    if call.phone is not Leg.OPEN:
        return [e.Save()]
    orders: list[e.Order] = [*call.playback.release(now), *call.playback.mark(now)]
    return orders + drained(call, now)


def drained(call: Call, now: float) -> list[e.Order]:
    """A mark came back, or the time for it is up."""
    if call.phone is not Leg.OPEN:
        return []
    if call.leaving is None:
        # Only a carrier that returns no marks comes here: what waits is released by the clock.
        released: list[e.Order] = list(call.playback.release(now))
        left = call.playback.left(now)
        return [*released, e.StartTimer("drain", min(left, RELEASE_S))] if left > 0 else released
    if call.playback.finished(now):
        return close(call, call.leaving.reason, now)
    orders: list[e.Order] = [*call.playback.release(now), *call.playback.mark(now), *call.watch(now)]
    wait = RELEASE_S if call.playback.held_back else max(call.playback.left(now) + GRACE_S, 0.0) + 0.05
    return [*orders, e.StartTimer("drain", wait)]


def give_up(call: Call, reason: Reason, now: float) -> list[e.Order]:
    """No agent is to be had: the line's fallback, or words and the end."""
    if call.phone is Leg.PENDING:
        call.doomed = reason
        return [e.Save()]
    if call.plan.has_fallback:
        return leave(call, Leaving(reason, "fallback"), now)
    return [*call.say("goodbye_trouble", now), *leave(call, Leaving(reason, "hangup"), now)]


def cut_off(call: Call, reason: Reason, prompt: str, now: float) -> list[e.Order]:
    """End without hearing the agent out; ``prompt`` is said in its place."""
    orders: list[e.Order] = list(call.playback.clear(now))
    orders += let_go(call)
    call.connecting = False
    call.agent = Leg.CLOSED
    return [*orders, *call.say(prompt, now), *leave(call, Leaving(reason, "hangup"), now)]


def close(call: Call, reason: Reason, now: float, *, status: Status | None = None) -> list[e.Order]:
    """The end. Both legs are closed, the record is final."""
    leaving = call.leaving or Leaving(reason, "hangup")
    orders = let_go(call)
    call.connecting = False
    call.agent = call.phone = Leg.CLOSED
    call.over = True
    record = call.record
    if status is None or not status.terminal:
        failed = reason.class_ is not Class.SUCCESS and record.started_at is None
        status = Status.FAILED if failed else Status.COMPLETED
    for number, fraction in _unheard(call, now):
        call.turns.interrupted({number: fraction})
    record.detail["then"] = leaving.then
    if leaving.target:
        record.detail["target"] = leaving.target
    record.detail["counts"] = {
        "interruptions": call.policy.account(),
        "stale_chunks": call.gate.dropped,
        "dropped_samples": call.playback.dropped,
        "underruns": call.supply.underruns,
        "bad_messages": {side: count.total for side, count in call.garbage.items()},
        "ignored": dict(call.ignored),
    }
    if leaving.then == "transfer":
        # Not over: the carrier tells how the transfer went, and a person who does not answer gives the caller back.
        record.detail["transfer_reason"] = str(reason)
        call.note("transferring", now, to=leaving.target)
        return [*orders, e.ClosePhone(leaving.then, leaving.target), e.Save(), e.Ended()]
    call.note("ended", now, reason=str(reason))
    record.finish(reason, record.created_at + timedelta(seconds=now), status=status)
    return [*orders, e.ClosePhone(leaving.then, leaving.target), e.Save(), e.Ended()]


def _unheard(call: Call, now: float) -> list[tuple[int, float]]:
    return [(turn, call.playback.fraction_heard(turn, now) or 0.0) for turn in call.playback.turns_unplayed(now)]


def end_requested(call: Call, event: e.EndRequested, now: float) -> list[e.Order]:
    """Operator, tool, drain or dialler wants the call to end."""
    if call.phone is Leg.PENDING:
        call.leaving = Leaving(event.reason, event.then)
        if event.reason in (Reason.OPERATOR_HANGUP, Reason.CANCELED):
            return close(call, event.reason, now, status=Status.CANCELED)
        answered = event.reason in (Reason.MACHINE_HANGUP, Reason.MESSAGE_LEFT)
        return close(call, event.reason, now, status=Status.COMPLETED if answered else Status.FAILED)
    if event.after_words:
        return [*call.say(event.prompt, now), *leave(call, Leaving(event.reason, "hangup"), now)]
    if event.prompt:
        return cut_off(call, event.reason, event.prompt, now)
    call.leaving = Leaving(event.reason, event.then)
    return close(call, event.reason, now)


def transfer_requested(call: Call, event: e.TransferRequested, now: float) -> list[e.Order]:
    """The call goes on to a person: the agent's words are heard out, then the carrier dials."""
    if call.phone is Leg.PENDING or call.leaving is not None:
        return []
    orders = let_go(call)
    call.connecting = False
    call.agent = Leg.CLOSED
    return [*orders, *leave(call, Leaving(event.reason, "transfer", event.target), now)]


def too_long(call: Call, now: float) -> list[e.Order]:
    """The line's ``max_duration_s`` is over."""
    return [] if call.leaving is not None else cut_off(call, Reason.MAX_DURATION, "closing", now)


def superseded(call: Call, event: e.Superseded, now: float) -> list[e.Order]:
    """Another instance has the call: let go of the agent, and leave the record to it."""
    orders = let_go(call)
    call.connecting = False
    call.agent = call.phone = Leg.CLOSED
    call.over = True
    return [*orders, e.Ended()]
