"""One call's fault is nobody else's: the others keep their sound, hear only their own agent, and no order of the end matters."""

import asyncio
import contextlib
import html
import itertools
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from bridge.errors import Class, Reason
from bridge.logs import QUIET
from bridge.web import server
from tests.end_to_end.conftest import Logs
from tests.standins import sound
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna.session import XunaSession
from tests.support.house import ACCOUNT, API_KEY, TOKEN
from tests.support.media import media_socket, offer, start
from tests.support.scene import Scene, eventually, scene

TWO_LINES = """
[[lines]]
number = "+15550100"
agent = "support"
fallback = { say = "Please call again." }
[[lines]]
number = "+15550101"
agent = "second"
[[lines]]
number = "+15550102"
agent = "booking"
fallback = { say = "Please call again." }
"""
Harm = Callable[[Scene, PhoneCall, XunaSession], Awaitable[None]]


async def agent_is_lost_for_good(cast: Scene, call: PhoneCall, session: XunaSession) -> None:
    """And no successor is to be had."""
    cast.xuna.fault("signed_url", status=500, times=None)
    session.abort()


async def agent_sends_nonsense(cast: Scene, call: PhoneCall, session: XunaSession) -> None:
    """A great deal of it."""
    for _ in range(300):
        await session.send_raw('{"type": "audio", "audio_event": {"audio_base_64": "!!@@"}}')


async def agent_sends_too_much(cast: Scene, call: PhoneCall, session: XunaSession) -> None:
    """Two minutes of sound in a moment."""
    await session.say(120.0, chunk_ms=1000)


async def carrier_loses_the_socket(cast: Scene, call: PhoneCall, session: XunaSession) -> None:
    """With a RST."""
    call.lose_socket()


async def carrier_sends_nonsense(cast: Scene, call: PhoneCall, session: XunaSession) -> None:
    """A great deal of it."""
    assert call.stream is not None
    for _ in range(300):
        await call.stream.send_raw('{"event": "media", "media": 5}')


@pytest.mark.parametrize(
    "harm",
    [
        agent_is_lost_for_good,
        agent_sends_nonsense,
        agent_sends_too_much,
        carrier_loses_the_socket,
        carrier_sends_nonsense,
    ],
)
async def test_s5_the_other_calls_keep_their_sound(harm: Harm, tmp_path: Path, logs: Logs) -> None:
    """Three calls of another agent, both ways, while one call has a fault: every sample, in one piece."""
    async with scene(tmp_path, lines=TWO_LINES) as cast:
        others = []
        for number in range(3):
            call = await cast.carrier.call(to="+15550101", from_=f"+1555012350{number}")
            session = await cast.backup.session()
            await call.streaming()
            others.append((call, session))
        harmed, agent = await cast.talking()
        for number, (_, session) in enumerate(others):
            await session.say(2.0, frequency=700 + 300 * number)
        await asyncio.gather(*(call.hears(0.2) for call, _ in others))
        await harm(cast, harmed, agent)
        for call, _ in others:
            await call.hears(1.6)
            await call.silent_for(0.15)
        for number, (call, _) in enumerate(others):
            assert call.stream is not None
            ((first, length),) = call.stream.playout.spans
            assert length == pytest.approx(16_000, abs=4)
            heard = call.stream.heard_pcm[first + 200 : first + length - 200]
            assert sound.fit_sine(heard, 700 + 300 * number, 8000).snr_db > 30
            await call.hang_up()
            assert (await cast.record(call)).outcome is Reason.CALLER_HANGUP


async def test_r16_slow_heads_are_closed_and_harm_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred upgrades that never end their head: the call is heard, a new one is taken, and all of them are closed."""
    monkeypatch.setattr(server, "HEAD_S", 0.8)
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(1.5, frequency=997)
        slow = [await asyncio.open_connection("127.0.0.1", cast.house.port) for _ in range(200)]
        for letter in b"GET /twilio":
            for _, writer in slow:
                writer.write(bytes([letter]))
        began = time.monotonic()
        second = await cast.carrier.call(from_="+15550123499")
        assert time.monotonic() - began < 1.0
        await cast.xuna.session()
        await second.streaming()
        async with asyncio.timeout(5):
            for reader, writer in slow:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
        await call.hears(1.3)
        await call.silent_for(0.15)
        assert call.stream is not None
        assert [length for _, length in call.stream.playout.spans] == [pytest.approx(12_000, abs=4)]


async def test_t40_every_agent_and_every_caller_hears_its_own(tmp_path: Path) -> None:
    """Ten calls at once, each with two tones of its own, one socket and one agent lost on the way: no sound of another."""
    async with scene(tmp_path) as cast:
        pairs = []
        for number in range(10):
            call = await cast.carrier.call(from_=f"+1555012360{number}")
            session = await cast.xuna.session()
            await call.streaming()
            pairs.append((call, session))
        pairs[0][0].lose_socket()
        pairs[1][1].abort()
        successor = await cast.xuna.session()
        pairs[1] = (pairs[1][0], successor)
        await pairs[0][0].streaming(count=2)
        await pairs[1][0].silent_for(0.5)
        for number, (call, session) in enumerate(pairs):
            assert not session.closed
            call.mouth.say(1.5, frequency=400 + 60 * number)
            await session.say(1.5, frequency=1400 + 90 * number)
        for call, session in pairs[2:]:
            await call.hears(1.3)
            await session.heard(1.3)
        await asyncio.gather(*(call.silent_for(0.2) for call, _ in pairs))
        for number, (call, session) in enumerate(pairs):
            assert call.stream is not None
            first, length = call.stream.playout.spans[-1]
            heard = call.stream.heard_pcm[first + 400 : first + length - 400]
            assert len(heard) > 8000
            assert sound.fit_sine(heard, 1400 + 90 * number, 8000).snr_db > 30
            said = session.heard_pcm
            loud = [index for index in range(0, len(said) - 320, 320) if abs(said[index : index + 320]).max() > 3000]
            piece = said[loud[0] + 800 : loud[-1] - 800]
            assert len(piece) > 16_000
            assert sound.fit_sine(piece, 400 + 60 * number, 16000).snr_db > 25


@pytest.mark.parametrize("order", list(itertools.permutations(("stop", "completed", "action"))), ids="-".join)
async def test_t42_the_end_comes_in_any_order(order: tuple[str, ...], tmp_path: Path, logs: Logs) -> None:
    """answered after start changes nothing; then stop with the socket's close, status and action, however they race: one end."""
    async with scene(tmp_path) as cast:
        offered = await offer(cast)
        session = await cast.xuna.session()
        found = re.search(r'action="([^"]+)"', offered.body)
        assert found
        stop = json.dumps(
            {
                "event": "stop",
                "sequenceNumber": "9",
                "streamSid": "MZ" + "0" * 32,
                "stop": {"accountSid": ACCOUNT, "callSid": offered.sid},
            }
        )
        action = urlsplit(html.unescape(found[1]))
        async with media_socket(cast) as socket:
            await socket.send(start(offered.sid, offered.grant))
            await session.say(0.3)
            assert "media" in str(await asyncio.wait_for(socket.recv(), 2))
            answered = await cast.carrier.post("status", "/twilio/status", offered.form(CallStatus="in-progress"))
            assert answered.status is not None
            assert answered.status < 300
            assert not session.closed
            for step in order:
                if step == "stop":
                    with contextlib.suppress(ConnectionClosed):  # the bridge may have been told before
                        await socket.send(stop)
                    await socket.close(1000)
                elif step == "completed":
                    await offered.over()
                else:
                    path = action.path + (f"?{action.query}" if action.query else "")
                    reply = await cast.carrier.post("action", path, offered.form(CallStatus="completed"))
                    assert reply.status == 200
                    assert "<Connect" not in reply.body
        assert await session.gone(timeout=2.0) == 1000
        await cast.idle()
        ended = logs.of("call_ended")
        assert len(ended) == 1
        assert ended[0]["outcome"]["class"] == str(Class.SUCCESS)
        assert len(cast.xuna.sessions) == 1


async def test_r18_no_secret_reaches_the_log_before_redaction(
    tmp_path: Path, logs: Logs, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG, with keys in answers, URLs, redirects and close reasons of both agents: no raw line holds one."""
    caplog.set_level(logging.DEBUG)
    async with scene(tmp_path, lines=TWO_LINES) as cast:
        key, kura_key = cast.xuna.api_key, next(iter(cast.kura.keys))
        leaking = f'{{"signed_url": "gopher://127.0.0.1/?api_key={key}"}}'
        kura_leaking = leaking.replace("signed_url", "websocket_url").replace(key, kura_key)
        for to, agent, route, secret in (
            ("+15550100", cast.xuna, "signed_url", key),
            ("+15550102", cast.kura, "create", kura_key),
        ):
            for where, fault in (
                (route, {"status": 401, "body": f"no such key: {secret}"}),
                (route, {"status": 200, "body": leaking if secret == key else kura_leaking}),
                ("upgrade", {"status": 302, "headers": {"Location": f"gopher://x/?api_key={secret}"}}),
                ("upgrade", {"status": 401, "body": secret}),
            ):
                agent.fault(where, times=None, **fault)
                failed = await cast.carrier.call(to=to)
                await failed.ended()
                await cast.record(failed)
                agent.faults.clear()
        call, session = await cast.talking()
        await session.close(1011, f"bad {key}")
        again = await cast.xuna.session()
        await again.close(1000)
        await call.ended()
        call = await cast.carrier.call(to="+15550102")
        spoken = await cast.kura.session()
        await call.streaming()
        await spoken.close(1011, f"bad {kura_key}")
        another = await cast.kura.session()
        await another.close(1000)
        await call.ended()

        async def idle() -> bool:
            return cast.house.switchboard.active == 0

        await eventually(idle, "an idle switchboard")
        secrets = {key, kura_key, TOKEN, API_KEY, *cast.xuna.used, *cast.xuna.signed}
    raw = [str(line) for line in logs]
    # Of the libraries that print statements and bodies the product takes warnings only.
    raw += [
        f"{record.name} {record.getMessage()} {record.exc_text}"
        for record in caplog.records
        if record.name.partition(".")[0] not in QUIET or record.levelno >= logging.WARNING
    ]
    assert len(logs.of("call_ended")) == 10
    for secret in secrets:
        leaks = [line[:200] for line in raw if secret in line]
        assert not leaks
