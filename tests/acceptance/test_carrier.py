"""Twilio's side of the contract: webhooks asked twice, the door of the media socket, what follows a stream."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.acceptance.bridge import ACCOUNT, PUBLIC, TOKEN, Bridge, configuration, xuna
from tests.acceptance.conftest import Serve
from tests.standins.twilio.signature import sign
from tests.standins.xuna import Xuna

FALLBACK = (
    '[[lines]]\nnumber = "*"\nagent = "support"\nfallback = { say = "Please hold for a person.", dial = "+15550999" }'
)
SID = "CA" + "1" * 32


def form(**more: str) -> list[tuple[str, str]]:
    """What a call's webhook carries."""
    fields = {
        "CallSid": SID, "AccountSid": ACCOUNT, "From": "+15550123456", "To": "+15550100", "CallStatus": "ringing",
        "Direction": "inbound", "ApiVersion": "2010-04-01",
    }  # fmt: skip
    return [*(fields | more).items()]


async def post(
    bridge: Bridge,
    path: str,
    fields: list[tuple[str, str]],
    *,
    url: str | None = None,
    token: str | None = TOKEN,
    content_type: str = "application/x-www-form-urlencoded",
) -> tuple[int, str]:
    """A webhook, signed over ``url`` with ``token``, None for not at all: status and body."""
    sent = {"Content-Type": content_type}
    if token is not None:
        sent["X-Twilio-Signature"] = sign(token, url or PUBLIC + path, fields)
    async with (
        aiohttp.ClientSession() as http,
        http.post(bridge.url + path, data=urlencode(fields).encode(), headers=sent) as answer,
    ):
        return answer.status, await answer.text()


def grant(twiml: str) -> str:
    """The grant in a stream's <Parameter>."""
    return twiml.partition('name="grant" value="')[2].partition('"')[0]


def start(token: str, *, call_sid: str = SID, account: str = ACCOUNT, **media_format: Any) -> str:
    """The start message of a stream."""
    return json.dumps(
        {
            "event": "start", "sequenceNumber": "1", "streamSid": "MZ" + "2" * 32,
            "start": {
                "accountSid": account, "streamSid": "MZ" + "2" * 32, "callSid": call_sid, "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1} | media_format,
                "customParameters": {"grant": token},
            },
        }
    )  # fmt: skip


async def media(bridge: Bridge, signature: str | None = None, *, path: str = "/twilio/media") -> ClientConnection:
    """A media socket; InvalidStatus where it is refused."""
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    return await connect(f"ws://{bridge.address}{path}", additional_headers=headers, proxy=None, compression=None)


async def closed(socket: ClientConnection, *, within: float = 3.0) -> int | None:
    """Wait for the end of a socket; its close code."""
    async with asyncio.timeout(within):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            return socket.close_code


async def test_a_webhook_asked_again_gets_the_same_answer(serve: Serve, tmp_path: Path) -> None:
    """At the same time, later, and after the end: the same bytes, one session, one stream."""
    async with Xuna() as server:
        server.fault("signed_url", delay=0.3)
        bridge = await serve(configuration(tmp_path, xuna(server)))
        answers = await asyncio.gather(*(post(bridge, "/twilio/voice", form()) for _ in range(8)))
        assert {status for status, _ in answers} == {200}
        assert len({body for _, body in answers}) == 1
        token = grant(answers[0][1])
        socket = await media(bridge)
        await socket.send(start(token))
        session = await server.session()
        assert await post(bridge, "/twilio/voice", form()) == answers[0]
        assert len(server.sessions) == 1
        status, _ = await post(bridge, "/twilio/status", form(CallStatus="completed"))
        assert 200 <= status < 300
        await session.gone(timeout=1.5)
        assert await post(bridge, "/twilio/voice", form()) == answers[0]
        again = await media(bridge)
        await again.send(start(token))
        assert await closed(again) == 1008
        assert len(server.seen("signed_url")) == 1


async def test_what_follows_is_asked_twice_and_answered_once(serve: Serve, tmp_path: Path) -> None:
    """/twilio/after with the same counter: the same TwiML; a terminal CallStatus: <Hangup/>."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            await server.session()
            await call.streaming()
            action = _action(call.documents[0][1])
            path = urlsplit(action).path + "?" + urlsplit(action).query
            fields = call.form()
            first = await post(bridge, path, fields)
            assert first[0] == 200
            assert "<Stream" in first[1], "the socket lingers, the carrier's question decides"
            assert await post(bridge, path, fields) == first
            over = [(name, "completed" if name == "CallStatus" else value) for name, value in fields]
            ended = await post(bridge, _path(first[1]), over)
            assert ended[0] == 200
            assert "<Hangup" in ended[1]
            assert "<Stream" not in ended[1]
            record = await bridge.record(call.sid)
            assert record["outcome"]["reason"] in ("caller_hangup", "carrier_lost")
            await call.hang_up()


def _action(twiml: str) -> str:
    return twiml.partition('<Connect action="')[2].partition('"')[0].replace("&amp;", "&")


def _path(twiml: str) -> str:
    parts = urlsplit(_action(twiml))
    return f"{parts.path}?{parts.query}"


async def test_a_lost_stream_is_replaced_three_times_at_the_most(serve: Serve, tmp_path: Path) -> None:
    """The call goes on with the same agent after each loss; the fourth one is the line's fallback."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server), lines=FALLBACK))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            for count in (1, 2, 3, 4):
                await call.streaming(count=count)
                await session.say(0.3)
                await call.hears(0.2)
                call.lose_socket()
            await call.ended()
            assert len(call.streams) == 4
            assert "Please hold for a person." in call.said
            assert call.dialled[0].to == ("+15550999",)
            assert len(server.sessions) == 1
            record = await bridge.record(call.sid)
            assert record["outcome"]["reason"] == "carrier_lost"
            await session.gone()


async def test_a_number_without_a_line_is_rejected(serve: Serve, tmp_path: Path) -> None:
    """200 with <Reject/>, and no agent is asked."""
    lines = '[[lines]]\nnumber = "+15550100"\nagent = "support"'
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server), lines=lines))
        status, body = await post(bridge, "/twilio/voice", form(To="+15550199"))
        assert status == 200
        assert "<Reject" in body
        assert not server.requests


async def test_a_full_bridge_says_so_and_goes_on_to_the_fallback(serve: Serve, tmp_path: Path) -> None:
    """Beyond max_calls: words, then the line's fallback; the calls that are there are not touched."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server), lines=FALLBACK, top="max_calls = 1"))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            await call.streaming()
            other = await carrier.call(from_="+15550123499")
            await other.ended()
            assert len(other.said) >= 2
            assert other.dialled[0].to == ("+15550999",)
            record = await bridge.record(other.sid)
            assert record["outcome"]["reason"] == "overloaded"
            await session.say(0.3)
            await call.hears(0.2)
            await call.hang_up()
            await session.gone()


@pytest.mark.parametrize(
    "path", ["/twilio/voice", "/twilio/after?n=1", "/twilio/status", "/twilio/amd", "/twilio/recording", "/twilio/sms"]
)
async def test_what_is_not_signed_is_refused(serve: Serve, tmp_path: Path, path: str) -> None:
    """403 before anything happens: no signature, a wrong one, another URL's, another account's."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        fields = form(MessageSid="SM" + "1" * 32, RecordingSid="RE" + "1" * 32, Body="hi")
        assert (await post(bridge, path, fields, token=None))[0] == 403
        assert (await post(bridge, path, fields, token="another"))[0] == 403
        assert (await post(bridge, path, fields, url=bridge.url + path))[0] == 403
        foreign = [(name, "AC" + "9" * 32 if name == "AccountSid" else value) for name, value in fields]
        assert (await post(bridge, path, foreign))[0] == 403
        status, body = await post(bridge, path, fields, token="another")
        assert json.loads(body)["status"] == status
        assert not server.requests
        assert (await bridge.api("/calls"))[1]["calls"] == []


async def test_fields_are_checked_after_the_signature(serve: Serve, tmp_path: Path) -> None:
    """400 for missing, malformed or doubled ones; unknown ones are ignored; 415 and 413 for other bodies."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        for wrong in (
            [each for each in form() if each[0] != "CallSid"],
            form(CallSid="CA123"),
            form(CallSid="CA" + "A" * 32),
            [*form(), ("CallSid", SID)],
            [*form(), ("From", "+15550123457")],
            [each for each in form() if each[0] != "To"],
        ):
            assert (await post(bridge, "/twilio/voice", wrong))[0] == 400, wrong
        assert (await post(bridge, "/twilio/voice", form(), content_type="multipart/form-data; boundary=x"))[0] == 415
        assert (await post(bridge, "/twilio/voice", form(Big="x" * 70_000)))[0] == 413
        assert not server.requests
        status, body = await post(bridge, "/twilio/voice", form(BrandNew="1", CallerName="O'Hara & Sons"))
        assert status == 200
        assert "<Stream" in body


async def test_the_door_of_the_media_socket(serve: Serve, tmp_path: Path) -> None:
    """A wrong signature: 403 before 101; a missing one: the grant decides; a grant admits its own call, once."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server, "prewarm = false")))
        _, twiml = await post(bridge, "/twilio/voice", form())
        token = grant(twiml)
        with pytest.raises(InvalidStatus) as refused:
            await media(bridge, sign("another", "wss://bridge.example.com/twilio/media", ()))
        assert refused.value.response.status_code == 403
        for wrong in (
            start("nonsense"), start(""), start(token, call_sid="CA" + "3" * 32), start(token, account="AC" + "9" * 32),
        ):  # fmt: skip
            socket = await media(bridge)
            await socket.send(wrong)
            assert await closed(socket) == 1008
        assert not server.requests
        for url in ("wss://bridge.example.com/twilio/media/", "wss://bridge.example.com:443/twilio/media"):
            socket = await media(bridge, sign(TOKEN, url, ()))
            await socket.close()
        socket = await media(bridge, sign(TOKEN, "wss://bridge.example.com/twilio/media", ()))
        await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await socket.send(start(token))
        session = await server.session()
        again = await media(bridge)
        await again.send(start(token))
        assert await closed(again) == 1008
        assert not session.closed
        await socket.close()


async def test_a_required_signature_is_required(serve: Serve, tmp_path: Path) -> None:
    """stream_signature = "required": without one 403, with the right one 101."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server), top='stream_signature = "required"'))
        with pytest.raises(InvalidStatus) as refused:
            await media(bridge)
        assert refused.value.response.status_code == 403
        socket = await media(bridge, sign(TOKEN, "wss://bridge.example.com/twilio/media", ()))
        await socket.close()


async def test_nobody_waits_in_the_door(serve: Serve, tmp_path: Path) -> None:
    """5 s for a head, 5 s for start; sockets without signature are capped for each address."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(b"GET /twilio/media HTTP/1.1\r\nHost: x\r\n")
        sockets: list[ClientConnection] = []

        async def crowd() -> None:
            while len(sockets) < 40:
                sockets.append(await media(bridge))

        with pytest.raises(InvalidStatus) as refused:
            await crowd()
        assert refused.value.response.status_code in (429, 503)
        assert 1 <= len(sockets) <= 8
        signed = await media(bridge, sign(TOKEN, "wss://bridge.example.com/twilio/media", ()))
        await signed.close()
        codes = await asyncio.gather(*(closed(socket, within=8) for socket in sockets))
        assert set(codes) == {1008}
        async with asyncio.timeout(8):
            assert await reader.read() in (b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert 4 < time.monotonic() - began < 8
        writer.close()


@pytest.mark.parametrize(
    "wrong", [{"encoding": "audio/l16"}, {"sampleRate": 16000}, {"channels": 2}, {"encoding": None}]
)
async def test_a_wrong_media_format_ends_the_call_with_words(
    serve: Serve, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    """Nothing can be said over such a stream: it is closed, the carrier says the words, and the record has the reason."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        _, twiml = await post(bridge, "/twilio/voice", form())
        socket = await media(bridge)
        session = await server.session()
        began = time.monotonic()
        await socket.send(start(grant(twiml), **wrong))
        assert await closed(socket) == 1008
        status, body = await post(bridge, _path(twiml), form(CallStatus="in-progress"))
        assert time.monotonic() - began < 2
        assert status == 200
        assert "<Say" in body
        assert "<Stream" not in body
        assert "<Pause" not in body
        record = await bridge.record(SID)
        assert record["outcome"] == {"side": "carrier", "class": "carrier_error", "reason": "bad_media_format"}
        await session.gone(timeout=2)


@pytest.mark.parametrize("order", ["completed first", "stop first", "close only", "twenty times", "after hours"])
async def test_the_end_is_told_in_any_order(serve: Serve, tmp_path: Path, order: str) -> None:
    """Status callbacks move the record forward only, whatever comes first and how often."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            carrier.lost_callbacks = {"status"}
            carrier.action_after_hangup = False
            call = await carrier.call()
            session = await server.session()
            stream = await call.streaming()
            await session.say(0.3)
            await call.hears(0.2)
            done = [(name, "completed" if name == "CallStatus" else value) for name, value in call.form()]
            if order == "completed first":
                await post(bridge, "/twilio/status", done)
                await session.gone(timeout=1.5)
                await call.hang_up()
            elif order == "stop first":
                await call.hang_up()
                await post(bridge, "/twilio/status", done)
            elif order == "close only":
                stream.lose()
                await post(bridge, "/twilio/status", done)
            elif order == "twenty times":
                await asyncio.gather(*(post(bridge, "/twilio/status", done) for _ in range(20)))
                await call.hang_up()
            else:
                await call.hang_up()
                await bridge.record(call.sid)
                late = [(name, "ringing" if name == "CallStatus" else value) for name, value in call.form()]
                assert (await post(bridge, "/twilio/status", late))[0] < 300
                busy = [(name, "busy" if name == "CallStatus" else value) for name, value in call.form()]
                assert (await post(bridge, "/twilio/status", busy))[0] < 300
            await session.gone(timeout=2)
            record = await bridge.record(call.sid)
            assert record["status"] == "completed"
            assert record["outcome"]["class"] in ("success", "carrier_error")
            if order != "close only":
                assert record["outcome"]["reason"] == "caller_hangup"
            assert len((await bridge.api("/calls"))[1]["calls"]) == 1


@pytest.mark.parametrize(
    ("public", "signed"),
    [
        ("https://bridge.example.com:8443", "https://bridge.example.com:8443"),
        ("https://bridge.example.com/", "https://bridge.example.com"),
        ("https://bridge.example.com/phone/", "https://bridge.example.com/phone"),
        ("http://localhost:5000", "http://localhost:5000"),
    ],
)
async def test_every_form_of_a_public_url(serve: Serve, tmp_path: Path, public: str, signed: str) -> None:
    """With a port, with a slash at its end, plain on loopback: webhooks, stream and action are built over it."""
    async with Xuna() as server:
        text = configuration(tmp_path, xuna(server)).replace(f'"{PUBLIC}"', f'"{public}"')
        bridge = await serve(text)
        path = urlsplit(signed).path
        url = f"{signed}/twilio/voice"
        status, body = await post(bridge, "/twilio/voice", form(), url=url)
        assert status == 200, body
        scheme = "wss" if public.startswith("https") else "ws"
        host = urlsplit(signed).netloc
        assert f'url="{scheme}://{host}{path}/twilio/media"' in body
        assert f'action="{signed}/twilio/after?' in body
        socket = await media(bridge, sign(TOKEN, f"{scheme}://{host}{path}/twilio/media", ()))
        await socket.send(start(grant(body)))
        session = await server.session()
        await socket.close()
        assert not session.closed


async def test_media_url_is_where_streams_go(serve: Serve, tmp_path: Path) -> None:
    """An instance's own address for its sockets; a signature over it is right, and one over public_url too."""
    async with Xuna() as server:
        top = 'media_url = "wss://i-7.bridge.example.com"'
        bridge = await serve(configuration(tmp_path, xuna(server), top=top))
        _, body = await post(bridge, "/twilio/voice", form())
        assert 'url="wss://i-7.bridge.example.com/twilio/media"' in body
        for host in ("i-7.bridge.example.com", "bridge.example.com"):
            socket = await media(bridge, sign(TOKEN, f"wss://{host}/twilio/media", ()))
            await socket.close()
        with pytest.raises(InvalidStatus):
            await media(bridge, sign(TOKEN, "wss://i-8.bridge.example.com/twilio/media", ()))


async def test_both_tokens_are_good_while_rotating(serve: Serve, tmp_path: Path) -> None:
    """auth_token as a list: either signs."""
    async with Xuna() as server:
        other = "fedcba9876543210fedcba9876543210"
        text = configuration(tmp_path, xuna(server)).replace(f'"{TOKEN}"', f'["{other}", "{TOKEN}"]')
        bridge = await serve(text)
        assert (await post(bridge, "/twilio/voice", form()))[0] == 200
        assert (await post(bridge, "/twilio/voice", form(CallSid="CA" + "4" * 32), token=other))[0] == 200
        assert (await post(bridge, "/twilio/voice", form(CallSid="CA" + "5" * 32), token="third"))[0] == 403
