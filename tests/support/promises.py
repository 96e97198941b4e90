"""The standing rules, held over every call of a scene when it is over, whatever its test has looked at.

* S1 no caller hears nothing for more than five seconds, measured on the line of the stand-in
* S2 a call ends in one of three ways: it went on until the caller left, it was passed on, or it was said goodbye to
* S3 within two seconds of the end no socket of it is open, at the agent's or at the carrier's
* S4 its record is terminal, with side, class and reason from the closed list, and no record stays open behind the process
* S6 no secret is in the store
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.call.record import CallRecord, Status
from bridge.errors import Class, Reason, StoreUnavailable
from tests.standins.agent import AgentSession
from tests.standins.kura.session import KuraSession
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna.session import XunaSession
from tests.support.house import ACCOUNT, API_KEY, TOKEN

if TYPE_CHECKING:
    from tests.support.scene import Scene

SILENCE_S = 5.0
CLOSED_S = 2.0
RECORD_S = 1.0
SLACK_S = 1.0  # a machine that runs other tests beside this one
BY_THE_CALLER = "hung up by the caller"
WAYS = {BY_THE_CALLER, "hung up by TwiML", "ended by REST", "no more verbs", "rejected"}


class Broken(AssertionError):
    """A standing rule was broken."""


def held(so: object, words: str) -> None:
    """Raise where it is not so."""
    if not so:
        raise Broken(words)


async def hold(cast: Scene) -> None:
    """S1 to S4 over the scene's calls, which have all ended by now; the house may still run."""
    for call in cast.carrier.calls:
        s1_no_silence(call, cast.quiet_s)
    await s3_closed(cast)
    for call in cast.carrier.calls:
        record = None
        if not cast.house.switchboard.draining:  # afterwards, what it has left behind tells
            record = await recorded(cast, call)
            s4_told(record, call)
        s2_one_end(call, record)


def s1_no_silence(call: PhoneCall, most: float = SILENCE_S) -> None:
    """Nobody hears nothing for longer than that."""
    silence = call.longest_silence()
    held(silence <= most, f"S1: {call.sid} heard nothing for {silence:.1f} s: {call.sounds()}")


def s2_one_end(call: PhoneCall, record: CallRecord | None = None) -> None:
    """It ended in a way that there is, and not without a word, unless an agent or operator wanted it so."""
    held(call.reason in WAYS, f"S2: {call.sid} ended with {call.reason!r}: {call.documents} {call.errors}")
    wanted = record is not None and record.outcome is not None and record.outcome.class_ is Class.SUCCESS
    if call.reason not in {BY_THE_CALLER, "rejected"} and call.answered_at is not None and not wanted:
        held(call.sounds(), f"S2: {call.sid} was hung up ({call.reason}) and had not heard a word")


def call_of(session: AgentSession) -> str | None:
    """The CallSid that an agent was told."""
    if isinstance(session, XunaSession):
        return session.variables.get("carrier_call_id")
    assert isinstance(session, KuraSession)
    return dict(session.asked.get("metadata") or {}).get("carrier_call_id")


async def s3_closed(cast: Scene) -> None:
    """Every socket of every call."""
    sessions: Iterable[AgentSession] = [*cast.xuna.sessions, *cast.backup.sessions, *cast.kura.sessions]
    calls = {call.sid: call for call in cast.carrier.calls}
    mine = [(calls[sid], session) for session in sessions if (sid := call_of(session)) in calls]
    deadline = time.monotonic() + CLOSED_S + SLACK_S
    while any(not session.closed for _, session in mine) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    for call, session in mine:
        held(session.closed_at is not None, f"S3: {session.session_id} is still open, {call.sid} is over")
        assert session.closed_at is not None
        assert call.ended_at is not None
        late = session.closed_at - max(call.ended_at, session.opened_at)
        held(late <= CLOSED_S + SLACK_S, f"S3: {session.session_id} was closed {late:.1f} s after the end")
    for call in cast.carrier.calls:
        for stream in call.streams:
            held(stream.ended_at is not None, f"S3: {call.sid} is over and has an open stream")


async def recorded(cast: Scene, call: PhoneCall) -> CallRecord | None:
    """The record, as soon as it is terminal; as it is when its time is over."""
    deadline = time.monotonic() + cast.record_s + SLACK_S
    found: CallRecord | None = None
    while time.monotonic() < deadline:
        with contextlib.suppress(StoreUnavailable):
            found = await cast.house.calls.get(call.sid)
            if found is None or found.status.terminal:
                break
        await asyncio.sleep(0.02)
    return found


def s4_told(record: CallRecord | None, call: PhoneCall) -> None:
    """Terminal, with whose fault it was."""
    if record is None:
        held(not call.streams, f"S4: {call.sid} had a stream and has no record")
        return
    held(record.status.terminal, f"S4: the record of {call.sid} is {record.status}")
    held(record.outcome is not None and record.ended_at is not None, f"S4: {call.sid} ended without a reason")
    told = record.public()["outcome"]
    held(set(told) == {"side", "class", "reason"} and all(told.values()), f"S4: {call.sid}: {told}")


def behind(folder: Path, secrets: Iterable[str]) -> None:
    """S4 and S6 over what the process has left in its store: nothing open, nothing without a reason, nothing secret."""
    file = folder / "calls.db"
    if not file.exists():
        return
    with contextlib.closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT carrier_call_id, status, outcome FROM calls").fetchall()
        dump = "\n".join(database.iterdump()).replace(ACCOUNT, "")  # which has the token in it, here
    for sid, status, outcome in rows:
        held(Status(status).terminal, f"S4: {sid} was left {status}")
        held(outcome in set(Reason), f"S4: {sid} was left with the reason {outcome!r}")
    for secret in (TOKEN, API_KEY, *secrets):
        held(secret not in dump, f"S6: {secret[:4]}... is in the store")
