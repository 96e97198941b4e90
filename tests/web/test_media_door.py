"""Media sockets: nobody passes without the grant of one call."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.standins.twilio.ids import sid
from tests.support.deployment import Deployment, deployed

MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


@pytest.fixture
async def all_(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment that opens no agent before the stream is there."""
    async with deployed(tmp_path, agent="prewarm = false") as deployment:
        yield deployment
        for session in deployment.house.switchboard.sessions:
            assert await over(deployment, session.record.carrier_call_id or "") == 204


async def over(all_: Deployment, call_sid: str) -> int | None:
    """The carrier says that the call has ended; the answer's status."""
    ended = [("CallSid", call_sid), ("AccountSid", all_.carrier.account_sid), ("CallStatus", "completed")]
    ended += [("From", "+15550123456"), ("To", "+15550100"), ("Direction", "inbound"), ("ApiVersion", "2010-04-01")]
    return (await all_.carrier.post("status", "/twilio/status", ended)).status


def start(all_: Deployment, call_sid: str, grant: Any) -> dict[str, Any]:
    """A start message."""
    stream = sid("MZ")
    body = {
        "accountSid": all_.carrier.account_sid,
        "streamSid": stream,
        "callSid": call_sid,
        "tracks": ["inbound"],
        "mediaFormat": MULAW,
        "customParameters": {} if grant is None else {"grant": grant},
    }
    return {"event": "start", "sequenceNumber": "1", "start": body, "streamSid": stream}


async def offered(all_: Deployment) -> tuple[str, str, list[tuple[str, str]]]:
    """A call whose stream is promised: its CallSid, its grant, and the webhook's form."""
    call_sid = sid("CA")
    form = [("CallSid", call_sid), ("AccountSid", all_.carrier.account_sid), ("From", "+15550123456")]
    form += [("To", "+15550100"), ("CallStatus", "ringing"), ("Direction", "inbound"), ("ApiVersion", "2010-04-01")]
    exchange = await all_.carrier.post("voice", "/twilio/voice", form)
    found = re.search(r'name="grant" value="([^"]+)"', exchange.body)
    assert found is not None, exchange.body
    return call_sid, found[1], form


async def begin(all_: Deployment, message: dict[str, Any]) -> aiohttp.ClientWebSocketResponse:
    """A socket that has sent its start."""
    socket = await all_.http.ws_connect(f"ws://127.0.0.1:{all_.house.port}/twilio/media")
    await socket.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    await socket.send_json(message)
    return socket


async def closed(socket: aiohttp.ClientWebSocketResponse, *, within: float = 3.0) -> int | None:
    """The code that it was closed with, None where it is still open."""
    try:
        message = await socket.receive(timeout=within)
    except TimeoutError:
        return None
    assert message.type is aiohttp.WSMsgType.CLOSE, message
    return int(message.data)


@pytest.mark.parametrize("wrong", [None, "", "x", "x" * 200, "\u00e9\ud83d\ude00", "guess"])
async def test_a_wrong_grant_opens_nothing(all_: Deployment, wrong: str | None) -> None:
    """Missing, malformed or guessed: closed with 1008, and the agent was never asked."""
    call_sid, _, _ = await offered(all_)
    for _ in range(3):
        grant = secrets.token_urlsafe(24) if wrong == "guess" else wrong
        socket = await begin(all_, start(all_, call_sid, grant))
        assert await closed(socket) == 1008
    assert not all_.xuna.requests


async def test_a_grant_is_of_its_own_call_and_account(all_: Deployment) -> None:
    """Another call's grant admits nobody, nor does the right one with another CallSid or account."""
    first, grant, _ = await offered(all_)
    second, _, _ = await offered(all_)
    foreign = start(all_, first, grant)
    foreign["start"]["accountSid"] = "AC" + "9" * 32
    for message in (start(all_, second, grant), start(all_, sid("CA"), grant), foreign):
        assert await closed(await begin(all_, message)) == 1008
    assert not all_.xuna.requests
    socket = await begin(all_, start(all_, first, grant))
    await all_.xuna.session()
    await socket.close()


async def test_of_sockets_that_race_with_one_grant_one_is_admitted(all_: Deployment) -> None:
    """A grant is consumed once, by whoever comes first, and never again."""
    call_sid, grant, _ = await offered(all_)
    sockets = await asyncio.gather(*(begin(all_, start(all_, call_sid, grant)) for _ in range(4)))
    codes = await asyncio.gather(*(closed(each, within=1.0) for each in sockets))
    assert sorted(map(str, codes)) == ["1008", "1008", "1008", "None"]
    assert await closed(await begin(all_, start(all_, call_sid, grant))) == 1008
    await all_.xuna.session()
    assert len(all_.xuna.seen("signed_url")) == 1


async def test_a_replayed_webhook_mints_nothing(all_: Deployment) -> None:
    """The same signed request twenty times at once, and after the end, gets the same bytes: one session, one grant."""
    call_sid, grant, form = await offered(all_)
    answers = await asyncio.gather(*(all_.carrier.post("voice", "/twilio/voice", form) for _ in range(20)))
    assert {each.body for each in answers} == {answers[0].body}
    assert grant in answers[0].body
    assert all_.house.switchboard.admitted == 1
    assert await over(all_, call_sid) == 204
    again = await all_.carrier.post("voice", "/twilio/voice", form)
    assert again.body == answers[0].body
    assert await closed(await begin(all_, start(all_, call_sid, grant))) == 1008
    assert all_.house.switchboard.admitted == 1
    assert not all_.xuna.requests


async def test_sockets_that_only_wait_are_few_and_short_lived(all_: Deployment) -> None:
    """Of 200 unsigned sockets from one address four may wait; a live call does not notice; all are gone in time."""
    call, session = await all_.talking()

    async def hold() -> aiohttp.ClientWebSocketResponse | int:
        try:
            return await all_.http.ws_connect(f"ws://127.0.0.1:{all_.house.port}/twilio/media")
        except aiohttp.WSServerHandshakeError as error:
            return error.status

    held = [await hold() for _ in range(200)]
    refused = [each for each in held if isinstance(each, int)]
    assert set(refused) == {429}
    assert len(held) - len(refused) == 4
    codes = [await closed(each, within=7.0) for each in held if not isinstance(each, int)]
    assert codes == [1008] * 4
    assert len(all_.xuna.seen("signed_url")) == 1
    await session.close(1000)
    assert await call.ended() == "completed"
