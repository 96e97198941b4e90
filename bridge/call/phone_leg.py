"""The rules of the phone leg: a stream comes, sounds, is replaced, is lost, ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bridge.audio.formats import TELEPHONE
from bridge.call import events as e
from bridge.call.agent_leg import try_agent
from bridge.call.conversation import interruption
from bridge.call.ending import close, drain, drained, drop_agent, give_up
from bridge.call.interruption import Source
from bridge.call.record import Status
from bridge.call.state import Call, Leaving, Leg
from bridge.errors import Reason

RATE: Final = TELEPHONE.rate
STREAM_S: Final = 60.0  # the life of a stream's grant: later no stream can come
HANGUP_GRACE_S: Final = 0.4  # after an orderly stop: a carrier that merely replaces the stream says so at once
AGENT_PATIENCE_S: Final = 1.8  # a lost stream: the agent is kept this long for the carrier to ask what follows
LOST_S: Final = 5.0  # and this long the call is not given up
MEDIA_S: Final = 15.0  # carriers send sound all the time, silence included
FIRST_MEDIA_S: Final = 30.0
HOLD_ON_S: Final = 2.5  # without a word from anybody before the bridge says something


def phone_audio(call: Call, event: e.PhoneAudio, now: float) -> list[e.Order]:
    """The caller's sound goes to the agent as it comes; it is kept while there is none."""
    payload = event.payload
    call.last_media = now
    call.phone_garbage.in_a_row = 0
    size = len(payload)
    if not size:
        return []
    call.listening.frame(call.plan.level(payload), size / RATE, now)
    orders: list[e.Order] = []
    if call.ear is not None:
        unplayed = call.playback.unplayed(now)
        told = call.ear.hears(payload, now, listening=call.policy.listening(now, unplayed=unplayed))
        if told is not None:
            orders = interruption(call, Source.SPEECH, now, took=told.delay)
    if call.uplink is None or call.agent is not Leg.OPEN:
        call.hold(payload)
        return orders
    if call.chunk_bytes > size or call.chunk:
        call.chunk += payload
        if len(call.chunk) < call.chunk_bytes:
            return orders
        payload = bytes(call.chunk)
        call.chunk.clear()
    sound = call.uplink.process(payload)
    if sound:
        orders.append(e.SendAudio(sound))
    return orders


def rest(call: Call) -> list[e.Order]:
    """The stream ends: what of the caller's sound has made no whole chunk yet."""
    if call.uplink is None or call.agent is not Leg.OPEN or not call.chunk:
        return []
    sound = call.uplink.process(bytes(call.chunk))  # no tail of the filter: every frame makes so many samples, for ever
    call.chunk.clear()
    return [e.SendAudio(sound)] if sound else []


def phone_opened(call: Call, event: e.PhoneOpened, now: float) -> list[e.Order]:
    """The stream is there, for the first time or again: what waited is heard, what was lost on the way too."""
    orders: list[e.Order] = [e.StopTimer(name) for name in ("stream", "prewarm", "gone", "patience")]
    first = call.record.started_at is None
    call.opened += 1
    call.phone = Leg.OPEN
    call.opened_at = now
    call.replacing = False
    call.last_media = None
    call.probing = False
    if first:
        call.record.started_at = call.record.created_at + timedelta(seconds=now)
    if call.opened == 1:
        begun = call.record.started_at or call.record.created_at  # a call that is resumed has no more time than another
        spent = (call.record.created_at + timedelta(seconds=now) - begun).total_seconds()
        orders.append(e.StartTimer("duration", max(call.plan.max_duration_s - spent, 1.0)))
    call.record.advance(Status.IN_PROGRESS)
    call.note("stream_started" if first else "stream_replaced", now)
    waited = call.playback.sounding
    released: list[e.Order] = list(call.playback.open(now))
    if waited and call.record.latency.first_word_ms is None and call.turns.number > 0:
        call.record.latency.first_word_ms = 0.0
    orders = released + call.watch(now) + orders
    orders.append(e.StartTimer("media", MEDIA_S))
    if call.doomed is not None:
        reason, call.doomed = call.doomed, None
        return orders + give_up(call, reason, now)
    if call.leaving is not None:
        return orders + drain(call, now)
    if call.agent is Leg.PENDING:
        orders.append(e.StartTimer("hold", HOLD_ON_S))
        if not call.connecting:
            orders += try_agent(call, call.candidates.first(now), now)
    return [*orders, e.Save()]


def phone_digit(call: Call, event: e.PhoneDigit, now: float) -> list[e.Order]:
    """A key: into the record, and to the agent as far as its protocol has a word for it."""
    call.note("dtmf", now, digit=event.digit)
    orders: list[e.Order] = [e.SendActivity()] if call.agent is Leg.OPEN else []
    return [*orders, e.Save()]


def phone_reached(call: Call, event: e.PhoneReached, now: float) -> list[e.Order]:
    """A mark came back: so much has been heard, and more may be sent."""
    if not call.playback.reached(event.name, now):
        return []
    call.garbage["phone"].good()
    orders: list[e.Order] = list(call.playback.release(now))
    orders += call.watch(now)
    return orders + drained(call, now) if call.leaving is not None else orders


def mark_time(call: Call, now: float) -> list[e.Order]:
    """The last sound sent gets its mark. While sound keeps coming, its own regular marks do: one message less in ten."""
    call.mark_timer = False
    orders: list[e.Order] = [] if call.playback.flowing(now) else list(call.playback.mark(now))
    return orders + call.watch(now)


def marks_overdue(call: Call, now: float) -> list[e.Order]:
    """A mark is missing: does the carrier still read?"""
    call.watching = False
    if call.phone is not Leg.OPEN or call.probing:
        return []
    if call.playback.overdue(now):
        call.probing = True
        return [e.ProbePhone()]
    return call.watch(now)


def phone_alive(call: Call, event: e.PhoneAlive, now: float) -> list[e.Order]:
    """It does: from here on the clock tells what was heard."""
    if not call.probing or call.phone is not Leg.OPEN:
        return []
    call.probing = False
    call.note("marks_missing", now)
    call.playback.trust_clock(now)
    orders: list[e.Order] = list(call.playback.release(now))
    if call.leaving is not None:
        return orders + drain(call, now)
    return orders + drained(call, now)


def phone_stalled(call: Call, event: e.PhoneStalled, now: float) -> list[e.Order]:
    """It does not: nobody hears us."""
    return close(call, Reason.CARRIER_STALLED, now) if call.phone is Leg.OPEN else []


def phone_closed(call: Call, event: e.PhoneClosed, now: float) -> list[e.Order]:
    """The stream is over. After a stop the caller has most likely hung up; after a loss the carrier asks what follows."""
    if call.phone is not Leg.OPEN:
        if call.phone is Leg.AWAY and call.replacing:
            call.playback.played_on(now)
        call.replacing = False
        return []
    call.phone = Leg.AWAY
    call.playback.away(now)
    call.lost_orderly = event.orderly
    call.note("stream_stopped" if event.orderly else "stream_lost", now)
    if event.orderly:
        return [*rest(call), e.StartTimer("gone", HANGUP_GRACE_S)]
    return [*rest(call), e.StartTimer("patience", AGENT_PATIENCE_S), e.StartTimer("gone", LOST_S), e.Save()]


def stream_promised(call: Call, event: e.StreamPromised, now: float) -> list[e.Order]:
    """The carrier has been answered with a new stream: the agent waits for it."""
    if call.phone is Leg.PENDING:
        return [e.StartTimer("stream", STREAM_S)]
    if call.phone is Leg.OPEN:
        call.phone = Leg.AWAY
        call.playback.away(now)
        call.replacing = event.ours
    call.lost_orderly = event.ours  # if no new one comes, the caller has most likely hung up meanwhile
    call.note("stream_promised", now)
    return [
        *rest(call),
        e.StartTimer("patience", event.patience),
        e.StartTimer("gone", max(event.patience, LOST_S)),
        e.Save(),
    ]


def out_of_patience(call: Call, now: float) -> list[e.Order]:
    """No new stream yet: the agent costs money and is let go, the call is not given up yet."""
    if call.phone is not Leg.AWAY or call.agent is Leg.CLOSED:
        return []
    return drop_agent(call)


def gone(call: Call, now: float) -> list[e.Order]:
    """No new stream came."""
    if call.phone is not Leg.AWAY:
        return []
    if call.leaving is not None and call.leaving.then == "transfer" and call.lost_orderly:
        call.leaving = None
    if call.leaving is not None:
        return close(call, call.leaving.reason, now)
    return close(call, Reason.CALLER_HANGUP if call.lost_orderly else Reason.CARRIER_LOST, now)


def carrier_ended(call: Call, event: e.CarrierEnded, now: float) -> list[e.Order]:
    """The carrier says that the call is over."""
    if call.leaving is not None and call.leaving.then == "transfer":
        call.leaving = Leaving(event.reason, "hangup")  # hung up before anybody was dialled
    if call.leaving is not None:
        return close(call, call.leaving.reason, now)
    status = event.status
    if event.reason is Reason.CALLER_HANGUP and call.record.started_at is None:
        return close(call, Reason.CALLER_ABANDONED, now, status=status)
    if call.phone is Leg.AWAY and not call.lost_orderly:
        return close(call, Reason.CARRIER_LOST, now, status=status)
    return close(call, event.reason, now, status=status)


def no_stream(call: Call, now: float) -> list[e.Order]:
    """The grant has run out unused."""
    if call.phone is not Leg.PENDING:
        return []
    return close(call, call.doomed or Reason.NO_STREAM, now, status=Status.FAILED)


def media_check(call: Call, now: float) -> list[e.Order]:
    """A carrier sends sound all the time: without any, its socket is dead."""
    if call.phone is not Leg.OPEN:
        return []
    since = now - (call.opened_at if call.last_media is None else call.last_media)
    limit = FIRST_MEDIA_S if call.last_media is None else MEDIA_S
    if since < limit - 0.05:
        return [e.StartTimer("media", limit - since)]
    return close(call, Reason.NO_MEDIA if call.last_media is None else Reason.CARRIER_LOST, now)


def hold_on(call: Call, now: float) -> list[e.Order]:
    """The stream is there and the agent is not: the caller is not left in silence."""
    if call.phone is not Leg.OPEN or not call.connecting or call.playback.unplayed(now):
        return []
    return call.say("one_moment", now)
