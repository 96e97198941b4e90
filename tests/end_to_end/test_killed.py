"""A process that answers calls is killed: on one machine, with nothing but its own parent to look after it."""

import asyncio
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.call.record import CallRecord
from bridge.store.calls import Calls
from bridge.store.database import Database
from tests.standins import sound
from tests.standins.agent import AgentSession
from tests.standins.twilio import Carrier, TwilioRest
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession
from tests.support.house import ACCOUNT, PUBLIC, TOKEN, configuration
from tests.support.instances import Instance, free_ports

RESUMED_S = 6.0  # from the kill to the new agent's voice
MEASURED = "KILL9_TIMES" in os.environ  # `make kill9`: speeds count there alone
PATIENCE_S = RESUMED_S if MEASURED else 4 * RESUMED_S


@pytest.fixture
async def xuna() -> AsyncIterator[Xuna]:
    """A strict XUNA."""
    async with Xuna(init_within=10.0, pong_within=10.0) as server:
        yield server


@pytest.fixture
def port() -> int:
    """Where the bridge listens."""
    return free_ports(1)[0]


@pytest.fixture
async def carrier(port: int) -> AsyncIterator[Carrier]:
    """A strict Twilio."""
    async with Carrier(
        public_url=PUBLIC, address=f"127.0.0.1:{port}", auth_token=TOKEN, account_sid=ACCOUNT
    ) as carrier:
        yield carrier


@pytest.fixture
async def bridge(xuna: Xuna, carrier: Carrier, port: int, tmp_path: Path) -> AsyncIterator[Instance]:
    """``callbridge serve``: a parent and its child."""
    async with TwilioRest(carrier) as rest:
        agent = f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\nbase_url = "{xuna.url}"\n'
        config = tmp_path / "bridge.toml"
        config.write_text(
            configuration(tmp_path, agent, more='[logging]\nformat = "json"').replace("http://127.0.0.1:9", rest.url)
        )
        bridge = Instance(tmp_path, config, port, parent=True)
        await bridge.start()
        try:
            yield bridge
        finally:
            await bridge.close()


def exists(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


async def test_the_child_is_killed(xuna: Xuna, carrier: Carrier, bridge: Instance, tmp_path: Path) -> None:
    """The caller hears a bridging line and then an agent that knows what was said, within six seconds; the record is whole.
    (The seconds are held by ``make kill9``: a start takes longer on a machine that has other work.)
    """
    call = await carrier.call()
    await call.streaming()
    session = await xuna.session()
    await session.say(0.5, text="Hello! How can I help?")
    await call.hears(0.4)
    await session.user_transcript("I need an appointment.")
    await call.speak(sound.tone(0.5))
    await stored(tmp_path, call.sid, "I need an appointment.")
    (child,) = bridge.children()
    began = time.monotonic()
    os.kill(child, signal.SIGKILL)
    await call.streaming(count=2, timeout=PATIENCE_S)
    second = await xuna.session(timeout=PATIENCE_S)
    await second.say(0.5, text="Where were we?")
    await call.hears(0.4, timeout=PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S
    assert "I need an appointment." in second.variables["previous_transcript"]
    assert second.overrides["agent"]["first_message"]
    await second.close(1000)
    assert await call.ended() == "completed"
    record = await terminal(tmp_path, call.sid, time.monotonic() + CLOSED_S)
    assert (str(record.outcome), record.resumes) == ("agent_hangup", 1)


async def test_the_parent_is_killed(bridge: Instance, port: int) -> None:
    """Its child goes with it, the port is free, and a new start takes calls."""
    (child,) = bridge.children()
    bridge.send(signal.SIGKILL)
    await bridge.ended()
    async with asyncio.timeout(10):
        while exists(child):
            await asyncio.sleep(0.05)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
    await bridge.start()


async def test_a_drain_through_the_parent(xuna: Xuna, carrier: Carrier, bridge: Instance) -> None:
    """SIGTERM to the parent lets the call that is on go to its end, then both exit with 0."""
    call = await carrier.call()
    await call.streaming()
    session = await xuna.session()
    bridge.send(signal.SIGTERM)
    await session.say(0.5, text="Still here.")
    await call.hears(0.4)
    assert bridge.alive
    await session.close(1000)
    assert await call.ended() == "completed"
    assert await bridge.ended() == 0


TIMES = int(os.environ.get("KILL9_TIMES", "3"))
CALLS = 2  # at once
CLOSED_S = 15.0  # from the end of a call to its closed record
SETTLED_S = 60.0  # and where its process was killed before it had written that


def knows(session: XunaSession, call: PhoneCall) -> bool:
    """Whether the session has this call."""
    return session.variables.get("carrier_call_id") == call.sid


async def talks_again(call: PhoneCall, xuna: Xuna, killed: float) -> float:
    """Seconds from the kill until the caller hears an agent on a stream of the next process."""

    def heard() -> bool:
        agents = [each for each in xuna.sessions if isinstance(each, XunaSession) and knows(each, call)]
        spoke = any(each.opened_at > killed and any("audio_event" in m for _, m in each.sent) for each in agents)
        streams = [each for each in call.streams if each.started_at is not None and each.started_at > killed]
        return spoke and any(each.playout.loud > 1000 for each in streams)

    await call.pulse.until(heard, f"an agent for {call.documents} {call.errors}", timeout=4 * RESUMED_S)
    return time.monotonic() - killed


@pytest.mark.timeout(90 + 30 * TIMES)
async def test_r08_killed_at_random_moments_every_call_goes_on_and_no_record_stays_open(
    xuna: Xuna, carrier: Carrier, bridge: Instance, tmp_path: Path
) -> None:
    """While calls are offered, connected, talking: the child dies, each caller has an agent again, and every record is closed
    with its reason. (Three times; fifty with ``make kill9``, which prints how long it took and allows six seconds. There the
    next kill waits for no record, so that ends of calls die unwritten, too: the reconciler has a minute for those.)
    """
    seed = int(os.environ.get("KILL9_SEED", "8"))
    moments = random.Random(seed)
    carrier.fallback_url = (
        carrier.voice_url
    )  # for webhooks whose process dies in mid-answer; operators name another house
    xuna.on_session = greeting
    slowest = 0.0
    over: list[PhoneCall] = []
    records: list[CallRecord] = []
    for number in range(TIMES):
        (child,) = bridge.children()
        moment = moments.uniform(0.0, 2.5)
        placing = [asyncio.create_task(carrier.call(from_=f"+1555013{number:02}{each:02}")) for each in range(CALLS)]
        await asyncio.sleep(moment)
        os.kill(child, signal.SIGKILL)
        killed = time.monotonic()
        calls = list(await asyncio.gather(*placing))
        took = await asyncio.gather(*(talks_again(call, xuna, killed) for call in calls))
        tell(f"{number + 1}: killed after {moment:.2f} s, an agent again after {', '.join(f'{s:.1f}' for s in took)} s")
        slowest = max(slowest, *took)
        for call in calls:
            await call.hang_up()
            if MEASURED:
                over.append(call)
            else:
                records.append(await terminal(tmp_path, call.sid, time.monotonic() + CLOSED_S))
    settled = time.monotonic() + SETTLED_S
    left = len([call for call in over if not await closed(tmp_path, call.sid)])
    records += [await terminal(tmp_path, call.sid, settled) for call in over]
    took_s = time.monotonic() - settled + SETTLED_S
    tell(f"records still open at the last hang-up: {left}; the last of them was closed {took_s:.1f} s later")
    assert all(record.outcome is not None for record in records)
    reasons = dict(Counter(str(record.outcome) for record in records))
    tell(f"{len(records)} records, all closed: {reasons}; the slowest {slowest:.1f} s; seed {seed}")
    if MEASURED:  # a speed, and so not for every run of the tests
        assert slowest <= RESUMED_S


def tell(line: str) -> None:
    """For who looks on."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def greeting(session: AgentSession) -> None:
    """Every session says hello."""
    await session.say(0.5, text="Hello!")


async def found(folder: Path, sid: str) -> CallRecord | None:
    """The record, as the store has it."""
    database = Database(f"sqlite:///{folder}/calls.db")
    try:
        return await Calls(database).get(sid)
    finally:
        await database.close()


async def stored(folder: Path, sid: str, text: str) -> None:
    """Until the store knows of these words: the writer rests up to a second between two accounts of a live call."""
    async with asyncio.timeout(CLOSED_S):
        while (record := await found(folder, sid)) is None or text not in [turn.text for turn in record.turns]:
            await asyncio.sleep(0.05)


async def closed(folder: Path, sid: str) -> CallRecord | None:
    """The record, where it is closed in the store."""
    record = await found(folder, sid)
    return record if record is not None and record.status.terminal else None


async def terminal(folder: Path, sid: str, deadline: float) -> CallRecord:
    """The record, once it is closed in the store."""
    while (record := await closed(folder, sid)) is None:
        assert time.monotonic() < deadline, f"{sid} is open"
        await asyncio.sleep(0.05)
    return record
