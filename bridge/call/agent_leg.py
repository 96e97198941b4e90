"""The rules of the agent leg: it is fetched, given back, becomes ready, leaves, is lost, is replaced."""

from __future__ import annotations

from typing import Final

from bridge.audio.formats import TELEPHONE
from bridge.call import events as e
from bridge.call.candidates import Attempt
from bridge.call.ending import drain, drop_agent, give_up, leave
from bridge.call.stale import StaleGate
from bridge.call.state import Call, Leaving, Leg
from bridge.errors import AgentFailure, ProtocolError, Reason

STALL_CHECK_S: Final = 5.0
STILL_THERE_S: Final = 15.0  # the caller has spoken and nothing comes back
STALLED_S: Final = 30.0
STALLED_SPEECH_S: Final = 3.0  # so much was said meanwhile: noise alone does not blame the agent


def try_agent(call: Call, attempt: Attempt, now: float) -> list[e.Order]:
    """Begin an attempt, at once or after its delay, within its budget."""
    call.attempt = attempt
    call.connecting = True
    call.agent = Leg.PENDING
    call.stage = ""
    orders: list[e.Order] = [e.StartTimer("agent", attempt.budget)]
    if attempt.delay > 0:
        return [*orders, e.StartTimer("retry", attempt.delay)]
    return orders + connect_now(call, now)


def connect_now(call: Call, now: float) -> list[e.Order]:
    """The attempt's delay is over."""
    if not call.connecting or call.attempt is None:
        return []
    call.attempts += 1
    call.began_connecting = now
    resumed = call.plan.resumed or call.candidates.connected > 0
    return [e.ConnectAgent(call.attempt.name, call.attempts, resumed)]


def agent_progress(call: Call, event: e.AgentProgress, now: float) -> list[e.Order]:
    """A stage on the way: for the latencies, and to know who was late."""
    call.stage = event.stage
    if event.stage == "credential" and call.record.latency.credential_ms is None:
        call.record.latency.credential_ms = round(event.ms, 1)
    return []


def agent_ready(call: Call, event: e.AgentReady, now: float) -> list[e.Order]:
    """The agent has the call: sound flows, what the caller said meanwhile first."""
    if not call.connecting:
        return []
    try:
        call.uplink = call.plan.convert(TELEPHONE, event.input)
        call.downlink = call.plan.convert(event.output, TELEPHONE)
    except ProtocolError as error:
        return attempt_failed(call, error.reason, str(error), now)
    call.chain = (str(call.uplink), str(call.downlink))
    call.connecting = False
    call.agent = Leg.OPEN
    call.gate = StaleGate(dropped=call.gate.dropped)
    call.turns.agent_changed()
    call.supply.begin(now)
    call.problem = None
    call.last_sign = now
    call.candidates.ready()
    call.record.agent = call.candidates.name
    call.record.agent_conversation_id = event.conversation_id
    if call.record.latency.connect_ms is None:
        call.record.latency.connect_ms = round((now - call.began_connecting) * 1000, 1)
    call.note("agent_ready", now, agent=call.candidates.name, uplink=call.chain[0], downlink=call.chain[1])
    orders: list[e.Order] = [e.StopTimer("agent"), e.StopTimer("hold"), e.StartTimer("stall", STALL_CHECK_S)]
    if call.chunk:  # older than what was kept since
        call.held.insert(0, bytes(call.chunk))
        call.chunk.clear()
    for kept in call.held:
        sound = call.uplink.process(kept)
        if sound:
            orders.append(e.SendAudio(sound))
    call.held.clear()
    call.held_bytes = 0
    return [*orders, e.Save()]


def agent_failed(call: Call, event: e.AgentFailed, now: float) -> list[e.Order]:
    """This attempt is over: the same agent again, the next one, or nobody."""
    if not call.connecting:
        return []
    failure = event.failure
    call.note("agent_failed", now, agent=call.candidates.name, reason=str(failure.reason))
    orders: list[e.Order] = [e.StopTimer("agent"), e.StopTimer("retry")]
    tried = call.candidates.name
    attempt = call.candidates.after_failure(failure, now)
    if attempt is None:
        call.connecting = False
        call.agent = Leg.CLOSED
        return orders + give_up(call, failure.reason, now)
    if attempt.name != tried and call.phone is Leg.OPEN and not call.playback.unplayed(now):
        orders += call.say("one_moment", now)
    return [*orders, *try_agent(call, attempt, now), e.Save()]


def attempt_failed(call: Call, reason: Reason, text: str, now: float, *, retry: bool = False) -> list[e.Order]:
    """Give up this attempt for what the agent did before it was ready."""
    failure = AgentFailure(text, reason=reason, retry=retry)
    return [e.DropAgent(stopped=False), *agent_failed(call, e.AgentFailed(failure), now)]


def agent_late(call: Call, now: float) -> list[e.Order]:
    """This attempt has used up its time."""
    if not call.connecting:
        return []
    reason = Reason.AGENT_SILENT_START if call.stage == "socket" else Reason.AGENT_TIMEOUT
    return attempt_failed(call, reason, "the agent was not ready in time", now)


def give_back(call: Call, now: float) -> list[e.Order]:
    """No stream has come: the session that waits for it costs money."""
    if call.phone is not Leg.PENDING or call.agent is Leg.CLOSED:
        return []
    call.note("prewarm_given_back", now)
    start_over(call, now)
    return drop_agent(call)


def start_over(call: Call, now: float) -> None:
    """Nobody has heard this agent yet: its greeting is forgotten, and whoever comes next begins the conversation."""
    unheard = dict.fromkeys(call.playback.turns_unplayed(now), 0.0)
    call.playback.clear(now)
    call.turns.interrupted(unheard)
    call.candidates.connected = 0


def agent_closed(call: Call, event: e.AgentClosed, now: float) -> list[e.Order]:
    """The agent's socket is gone: a normal end after 1000, a loss otherwise."""
    if call.connecting:
        text = f"the agent closed its socket with {event.code} before it was ready"
        return attempt_failed(call, Reason.AGENT_REFUSED, text, now, retry=event.code != 1008)
    if call.agent is not Leg.OPEN:
        return []
    call.note("agent_closed", now, code=event.code)
    if event.code == 1000 and call.problem is None:
        return agent_left(call, Reason.AGENT_HANGUP, now)
    reason = Reason.AGENT_LOST if call.problem is None else Reason.AGENT_SESSION_ERROR
    return recover(call, reason, now)


def agent_left(call: Call, reason: Reason, now: float) -> list[e.Order]:
    """The agent has ended the conversation: what it sent is heard, then the phone is hung up."""
    orders: list[e.Order] = [*call.tail(now), e.DropAgent(stopped=True), e.StopTimer("stall")]
    call.agent = Leg.CLOSED
    return orders + leave(call, Leaving(reason, "hangup"), now)


def recover(call: Call, reason: Reason, now: float) -> list[e.Order]:
    """The agent is lost in mid-call: what it sent is heard, a successor is fetched meanwhile."""
    orders: list[e.Order] = [*call.tail(now), e.DropAgent(stopped=False), e.StopTimer("stall")]
    call.uplink = call.downlink = None
    if call.leaving is not None:
        call.agent = Leg.CLOSED
        return orders + drain(call, now)
    if not call.opened:
        start_over(call, now)
    call.note("agent_lost", now, reason=str(reason))
    attempt = call.candidates.after_loss(now)
    if attempt is None:
        call.agent = Leg.CLOSED
        return orders + give_up(call, reason, now)
    if call.phone is Leg.OPEN:
        orders += call.say("one_moment", now)
    return [*orders, *try_agent(call, attempt, now), e.Save()]


def stall_check(call: Call, now: float) -> list[e.Order]:
    """Is there an answer to what the caller says? One that waits for the caller to speak is not at fault."""
    if call.agent is not Leg.OPEN:
        return []
    orders: list[e.Order] = [e.StartTimer("stall", STALL_CHECK_S)]
    asked = call.listening.unanswered_since(now)
    if call.phone is not Leg.OPEN or asked is None or call.leaving is not None or call.playback.unplayed(now):
        return orders
    since = now - max(call.last_sign, call.opened_at, asked)
    if since >= STALLED_S and call.listening.spoken_s >= STALLED_SPEECH_S:
        call.listening.forget()
        return recover(call, Reason.AGENT_STALLED, now)
    if since >= STILL_THERE_S and not call.reassured:
        call.reassured = True
        orders += call.say("still_there", now)
    return orders
