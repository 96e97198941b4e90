"""The rules of talking: the agent's sound and texts, the caller's words, and one speaking over the other."""

from __future__ import annotations

from typing import Final

from bridge.call import events as e
from bridge.call.agent_leg import agent_left, attempt_failed, recover
from bridge.call.ending import cut_off
from bridge.call.interruption import Source, Verdict
from bridge.call.playback import RATE
from bridge.call.state import PROMPT_TURN, Call, Leg
from bridge.errors import Reason

MAX_LATENCIES: Final = 400  # of one kind in one record


def agent_audio(call: Call, event: e.AgentAudio, now: float) -> list[e.Order]:
    """The agent's sound goes to the phone as it comes, unless it belongs to a turn that was interrupted."""
    if call.agent is not Leg.OPEN or call.downlink is None:
        return []
    call.agent_garbage.in_a_row = 0
    call.problem = None
    call.last_sign = now
    event_id = event.event_id
    if not call.gate.admits(event_id, now):
        return []
    sound = call.downlink.process(event.payload)
    if not sound:
        return []
    if call.listening.ended_at is not None or call.record.latency.first_word_ms is None:
        answered(call, now)
    call.reassured = False
    turn = call.turns.agent_sound(now)
    orders: list[e.Order]
    flow = call.playback.flow(sound, turn, now) if call.policy.settled and call.mark_timer and call.watching else None
    if flow is not None:  # the turn that sounds goes on: nothing else changes
        orders = [flow]
    else:
        call.policy.sounding(now, unplayed=call.playback.unplayed(now))
        orders = call.play(sound, turn, now)
    if event_id is not None:
        playback = call.playback
        call.numbers.queued(playback.offered, event_id, heard=playback.confirmed)
    if call.supply.arrived(len(sound) / RATE, turn, now) and call.phone is Leg.OPEN:
        return orders + recover(call, Reason.AGENT_STALLED, now)
    return orders


def answered(call: Call, now: float) -> None:
    """The agent's sound goes out: how long had the caller waited for it?"""
    latency = call.record.latency
    if latency.first_word_ms is None and call.phone is Leg.OPEN:
        latency.first_word_ms = round((now - call.opened_at) * 1000, 1)
    ended = call.listening.ended_at
    if ended is not None and not call.listening.speaking(now):
        if len(latency.response_ms) < MAX_LATENCIES:
            latency.response_ms.append(round((now - ended) * 1000, 1))
        call.listening.forget()


def agent_text(call: Call, event: e.AgentText, now: float) -> list[e.Order]:
    """What the agent says, in words."""
    call.last_sign = now
    call.turns.agent_text(event.text, int(now * 1000), final=event.final)
    return [e.Save()] if event.final else []


def agent_text_corrected(call: Call, event: e.AgentTextCorrected, now: float) -> list[e.Order]:
    """The agent's own account of what of an interrupted turn was said."""
    call.last_sign = now
    call.turns.agent_corrected(event.original, event.corrected)
    return [e.Save()]


def caller_text(call: Call, event: e.CallerText, now: float) -> list[e.Order]:
    """What the caller said. Where nobody else reports interruptions, words over unplayed sound are one."""
    call.last_sign = now
    orders = interruption(call, Source.TEXT, now, text=event.text)
    call.turns.caller_text(event.text, int(now * 1000), final=event.final)
    return [*orders, e.Save()] if event.final else orders


def agent_turn_complete(call: Call, event: e.AgentTurnComplete, now: float) -> list[e.Order]:
    """Both texts of an exchange in full."""
    call.last_sign = now
    call.gate.turn_complete()
    call.turns.complete(event.caller_text, event.agent_text, int(now * 1000))
    return [e.Save()]


def agent_interrupted(call: Call, event: e.AgentInterrupted, now: float) -> list[e.Order]:
    """The agent heard the caller speak over it."""
    call.last_sign = now
    if outdated(call, event.event_id, now):
        call.ignored["outdated_interruption"] = call.ignored.get("outdated_interruption", 0) + 1
        return []
    return interruption(call, Source.AGENT, now, event_id=event.event_id)


def outdated(call: Call, event_id: int | None, now: float) -> bool:
    """An interruption that comes too late: all that the caller has yet to hear is newer. It must not cut a reply."""
    return event_id is not None and call.numbers.all_newer(event_id, heard=call.playback.heard(now))


def interruption(
    call: Call, source: Source, now: float, *, event_id: int | None = None, text: str = "", took: float | None = None
) -> list[e.Order]:
    """Somebody reports that the caller speaks over the agent. ``took``: seconds since the caller began, where known."""
    unplayed = call.playback.unplayed(now)
    verdict = call.policy.decide(source, now, unplayed=unplayed, text=text)
    # What the agent itself cut off is stale and must be cleared even where by our account nothing is left of it.
    cut_by_agent = source is Source.AGENT and verdict in (Verdict.UNHEARD, Verdict.REPEATED)
    if not verdict and not cut_by_agent:
        return []
    heard = {
        turn: call.playback.fraction_heard(turn, now) or 0.0
        for turn in call.playback.turns_unplayed(now)
        if turn != PROMPT_TURN
    }
    if source is Source.AGENT and call.turns.speaking and call.playback.fraction_heard(call.turns.number, now) is None:
        heard[call.turns.number] = 0.0  # its text has come, its sound will not
    orders: list[e.Order] = list(call.playback.clear(now))
    call.numbers.clear()
    if call.downlink is not None:
        call.downlink.reset()
    if source is Source.AGENT or call.gate.numbered:
        call.gate.interrupted(event_id)
    elif call.agent is Leg.OPEN and call.gate.in_turn:
        call.gate.told_to_stop(now)
    if source is not Source.AGENT and call.agent is Leg.OPEN and call.gate.in_turn:
        orders.append(e.SendInterrupt())
    call.turns.interrupted(heard)
    if not verdict:
        return [*orders, e.Save()]
    onset = call.listening.onset_at
    if took is None and onset is not None and call.listening.speaking(now):
        took = now - onset
    facts: dict[str, object] = {"by": str(source)}
    if took is not None:
        facts["took_ms"] = round(took * 1000, 1)
        if len(call.record.latency.interruption_ms) < MAX_LATENCIES:
            call.record.latency.interruption_ms.append(round(took * 1000, 1))
    call.note("interruption", now, **facts)
    return [*orders, e.Save()]


def agent_ping(call: Call, event: e.AgentPing, now: float) -> list[e.Order]:
    """Answered at once: an agent takes a missing pong for a dead line."""
    call.garbage["agent"].good()
    return [e.SendPong(event.event_id)]


def agent_tool_call(call: Call, event: e.AgentToolCall, now: float) -> list[e.Order]:
    """The agent asks for a tool over its socket."""
    call.last_sign = now
    call.note("tool_call", now, name=event.name[:64])
    return [e.RunTool(event.tool_call_id, event.name, event.arguments)]


def agent_expired(call: Call, event: e.AgentExpired, now: float) -> list[e.Order]:
    """The agent's session has run out: that ends the call."""
    if call.connecting:
        return attempt_failed(call, Reason.AGENT_SESSION_ERROR, "the agent's session ran out before it was ready", now)
    if call.agent is not Leg.OPEN:
        return []
    call.note("agent_expired", now, reason=event.reason[:64])
    return agent_left(call, Reason.AGENT_IDLE, now)


def agent_problem(call: Call, event: e.AgentProblem, now: float) -> list[e.Order]:
    """The agent reports an error. It is a loss when the socket closes after it, or before the agent was ready."""
    call.note("agent_problem", now, code=event.code)
    if call.connecting:
        return attempt_failed(call, Reason.AGENT_SESSION_ERROR, "the agent reported an error before it was ready", now)
    if event.code != 1000:  # an announced normal end, such as the agent's own longest duration, is no fault
        call.problem = event
    return [e.Save()]


def garbled(call: Call, event: e.Garbage, now: float) -> list[e.Order]:
    """One message of a leg made no sense: skipped and counted; a second's worth ends the leg."""
    too_much = call.garbage[event.side].bad(now) or event.fatal
    if not too_much or (event.side == "phone" and call.leaving is not None):
        return []  # who is on the way out already is not told twice
    call.note("garbage", now, side=event.side, reason=str(event.reason))
    if event.side == "agent":
        if call.connecting:
            return attempt_failed(call, event.reason, "the agent's first messages cannot be understood", now)
        return recover(call, event.reason, now) if call.agent is Leg.OPEN else []
    if call.phone is not Leg.OPEN and not event.fatal:
        return []
    return cut_off(call, event.reason, "goodbye_trouble", now)
