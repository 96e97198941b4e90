"""Crowds at the doors that carriers use: bare upgrades, replays, guesses, sockets that are held, a socket that is stale."""

import asyncio
import contextlib
import secrets
import time
from pathlib import Path

import aiohttp
import pytest
import websockets

from bridge.store.calls import Calls
from bridge.web.grants import GrantOffice
from tests.end_to_end.conftest import Logs
from tests.standins.agent import AgentSession
from tests.standins.twilio.ids import sid
from tests.support.house import ACCOUNT, API_KEY
from tests.support.media import form, media_socket, offer, start
from tests.support.scene import Scene, eventually, scene


async def test_t05_a_hundred_thousand_guesses_open_nothing(tmp_path: Path) -> None:
    """With the right CallSid and account, beside the true grant, which is still good afterwards. Two sockets that race for
    it: exactly one is let in.
    """
    async with scene(tmp_path) as cast:
        cast.xuna.on_session = greeting
        offered = await offer(cast)
        grants = cast.house.reception._desk.grants
        assert isinstance(grants, GrantOffice)

        class Nothing:
            """A store without any grant: what is tried here is not the database's speed."""

            async def consume(self, *_: object, **__: object) -> None:
                """Not there."""

        store, grants._store = grants._store, Nothing()  # type: ignore[assignment]
        proof = {"carrier_call_id": offered.sid, "account_id": ACCOUNT}
        for number in range(100_000):
            guess = secrets.token_urlsafe(24) if number % 2 else offered.grant[: number % 31] + "x"
            assert await grants.redeem(guess, **proof) is None
        grants._store = store
        async with media_socket(cast) as one, media_socket(cast) as two:
            await asyncio.gather(*(socket.send(start(offered.sid, offered.grant)) for socket in (one, two)))
            ends = await asyncio.gather(*(heard(socket) for socket in (one, two)))
            assert sorted(ends) == [False, True]
            assert len(cast.xuna.live) == 1
            await offered.over()


async def greeting(session: AgentSession) -> None:
    """Every session speaks first: one that waited in vain for its stream is given back meanwhile."""
    await session.say(0.5)


async def heard(socket: websockets.ClientConnection) -> bool:
    """Whether a socket gets sound; False where it is closed instead."""
    try:
        async with asyncio.timeout(3):
            return "media" in str(await socket.recv())
    except websockets.ConnectionClosed:
        return False


async def test_t07_a_thousand_bare_upgrades_and_replays_cost_one_session(tmp_path: Path) -> None:
    """Upgrades without a call ask no agent; one webhook a thousand times asks it once, and gets the same bytes."""
    async with scene(tmp_path) as cast:
        url = f"ws://127.0.0.1:{cast.house.port}/twilio/media"
        async with aiohttp.ClientSession() as http:

            async def bare() -> None:
                with contextlib.suppress(aiohttp.WSServerHandshakeError):
                    await (await http.ws_connect(url)).close()

            for _ in range(50):
                await asyncio.gather(*(bare() for _ in range(20)))
        assert cast.xuna.seen("signed_url") == []
        call_sid = sid("CA")
        answers = set()
        for _ in range(50):
            exchanges = await asyncio.gather(
                *(cast.carrier.post("voice", "/twilio/voice", form(call_sid)) for _ in range(20))
            )
            answers |= {(each.status, each.body) for each in exchanges}
        ((status, _),) = answers
        assert status == 200
        await cast.xuna.session()
        assert len(cast.xuna.seen("signed_url")) == 1
        await cast.carrier.post("status", "/twilio/status", form(call_sid, CallStatus="completed"))


async def test_t08_two_hundred_held_sockets_are_gone_and_a_live_call_is_untouched(tmp_path: Path) -> None:
    """Few get in, each for five seconds at most; the canary's sound is whole, and every descriptor is given back."""
    async with scene(tmp_path, canary=True) as cast:
        links = [await asyncio.open_connection("127.0.0.1", cast.house.port) for _ in range(200)]
        began = time.monotonic()
        for _, writer in links:
            writer.write(
                b"GET /twilio/media HTTP/1.1\r\nHost: bridge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
        answers = [await reader.read(12) for reader, _ in links]
        assert answers.count(b"HTTP/1.1 101") <= 32
        async with asyncio.timeout(10):
            for reader, writer in links:
                with contextlib.suppress(ConnectionError):
                    while await reader.read(4096):
                        pass
                writer.close()
        assert time.monotonic() - began < 9.0
        await cast.idle()


async def test_t39_what_an_operator_does_is_logged_with_who_did_it(tmp_path: Path, logs: Logs) -> None:
    """Each act has its actor, never a key; what was only looked at is no act."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(0.2)
        headers = {"Authorization": f"Bearer {API_KEY}"}
        base = f"http://127.0.0.1:{cast.house.port}/api/v1/calls"
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.get(f"{base}/{call.sid}") as answer:
                assert answer.status == 200
            async with http.post(f"{base}/{call.sid}/hangup") as answer:
                assert answer.status == 202
            assert await call.ended() == "completed"
            await cast.record(call)

            async def removed() -> bool:
                async with http.delete(f"{base}/{call.sid}") as answer:
                    return answer.status == 204

            await eventually(removed, "a removed record")
        acts = [(line["method"], line["actor"], line["status"]) for line in logs.of("operator_action")]
        assert acts[0] == ("POST", "key 1", 202)
        assert acts[-1] == ("DELETE", "key 1", 204)
        assert API_KEY not in str(list(logs))
        assert await Calls(cast.house.database).get(call.sid) is None
        cast.carrier.calls.remove(call)  # there is no record of it to be held against


@pytest.mark.parametrize("how", ["stop", "close"])
async def test_t41_the_end_of_a_stale_socket_ends_no_live_call(how: str, tmp_path: Path) -> None:
    """The carrier was promised another stream while the old socket lingered; what becomes of that one is no matter."""
    async with scene(tmp_path) as cast:
        offered = await offer(cast)
        session = await cast.xuna.session()
        async with media_socket(cast) as old:
            await old.send(start(offered.sid, offered.grant))
            await session.say(0.2)
            await old.recv()
            again = await asked_after(cast, offered.sid)
            if how == "stop":
                with contextlib.suppress(websockets.ConnectionClosed):
                    await old.send('{"event": "stop", "streamSid": "MZ' + "0" * 32 + '"}')
            async with media_socket(cast) as new:
                await new.send(start(offered.sid, again, stream="MZ" + "1" * 32))
                await old.close()
                await session.say(0.2)
                assert "media" in str(await asyncio.wait_for(new.recv(), 3))
                assert not session.closed
                await offered.over()
        assert len(cast.xuna.sessions) == 1


async def asked_after(cast: Scene, call_sid: str) -> str:
    """The action URL is asked while the call goes on: the grant of the next stream."""
    exchange = await cast.carrier.post("action", "/twilio/after?n=1", form(call_sid, CallStatus="in-progress"))
    return exchange.body.split('name="grant" value="')[1].split('"')[0]
