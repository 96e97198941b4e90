"""The Kura stand-in catches what a client does wrong, and does what its document says."""

import base64
import json
from typing import Any

import aiohttp
import pytest

from tests.standins import sound
from tests.standins.kura import Assistant, Key, Kura

AUTH = {"Authorization": "Bearer kura_live_standin00000001"}


async def create(http: aiohttp.ClientSession, kura: Kura, **more: Any) -> tuple[int, dict[str, Any]]:
    """Ask for a session."""
    async with http.post(f"{kura.url}/api/v1/sessions", json={"assistant_id": 1, **more}, headers=AUTH) as answer:
        return answer.status, {**await answer.json(), "headers": answer.headers}


def audio(pcm: bytes) -> str:
    """An uplink message."""
    return json.dumps({"type": "audioChunk", "audio": base64.b64encode(pcm).decode()})


async def test_a_whole_session_is_served() -> None:
    """Sound goes both ways at 24 kHz, and stopSession is answered by the close."""
    async with Kura() as kura, aiohttp.ClientSession() as http:
        status, made = await create(http, kura, phone_number="+15550123456", metadata={"call_id": "call_1"})
        assert status == 201
        async with http.ws_connect(made["websocket_url"]) as ws:
            session = await kura.session()
            assert (await ws.receive_json())["type"] == "sessionOpen"
            assert session.asked["metadata"] == {"call_id": "call_1"}
            await session.say(0.2, text="Hello")
            await session.user_transcript("Hi")
            await session.turn_complete("Hi", "Hello")
            got = [await ws.receive_json() for _ in range(5)]
            assert [m["type"] for m in got] == [
                *("transcriptionUpdate", "agentAudioChunk", "agentAudioChunk"),
                *("transcriptionUpdate", "turnComplete"),
            ]
            assert len(base64.b64decode(got[1]["audio"])) == 4800
            await ws.send_str(audio(sound.tone(0.1, rate=24000).tobytes()))
            assert len(await session.heard(0.1)) == 2400
            await ws.send_json({"type": "interrupt"})
            await session.interrupted()
            await ws.send_json({"type": "stopSession"})
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
            await ws.close()
        assert await session.gone() == 1000
        assert kura.unreleased == []


STOP, INTERRUPT = '{"type": "stopSession"}', '{"type": "interrupt"}'
WRONG: dict[str, tuple[str, list[str | bytes], str]] = {
    "after stop": ("voice", [STOP, INTERRUPT], "interrupt after stopSession"),
    "text in voice": ("voice", ['{"type": "textMessage", "text": "x"}'], "textMessage in voice mode"),
    "audio in chat": ("chat", [audio(b"\0\0")], "audioChunk in chat mode"),
    "xuna": ("voice", ['{"type": "pong", "event_id": 1}'], "undocumented message 'pong'"),
    "half": ("voice", [audio(b"\0")], "half a sample"),
    "base64": ("voice", ['{"type": "audioChunk", "audio": "A"}'], "not base64"),
    "extra": ("voice", ['{"type": "interrupt", "event_id": 1}'], "event_id is undocumented"),
    "binary": ("voice", [b"\0\0"], "binary message"),
}


@pytest.mark.parametrize("case", list(WRONG))
async def test_a_wrong_message_is_a_violation(case: str) -> None:
    """Every kind of wrong message is caught and named."""
    mode, messages, words = WRONG[case]
    async with Kura() as kura, aiohttp.ClientSession() as http:
        kura.closes_after_stop = False
        _, made = await create(http, kura, mode=mode)
        async with http.ws_connect(made["websocket_url"]) as ws:
            session = await kura.session()
            for message in messages:
                await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
            await session.pulse.until(lambda: bool(kura.violations), "a violation")
        kura.forgive(words)


async def test_sound_before_the_session_is_open_is_a_violation() -> None:
    """A client waits for sessionOpen."""
    async with Kura(ready_delay=0.2) as kura, aiohttp.ClientSession() as http:
        _, made = await create(http, kura)
        async with http.ws_connect(made["websocket_url"]) as ws:
            await ws.send_str(audio(b"\0\0"))
            await kura.session()
        kura.forgive("audioChunk before sessionOpen")


async def test_keys_permissions_and_requests_are_checked() -> None:
    """401, 403, 404 and 400 come where the document says; an undocumented field is a violation."""
    keys = [Key(), Key("kura_live_readonly", frozenset({"assistants:read"}))]
    async with Kura(keys=keys, assistants=[Assistant(1, chat=False)]) as kura, aiohttp.ClientSession() as http:
        url = f"{kura.url}/api/v1"
        asks: list[tuple[str, str, dict[str, str], Any, int]] = [
            ("GET", "/health", {}, None, 200),
            ("GET", "/assistants", {}, None, 401),
            ("GET", "/assistants/1", AUTH, None, 200),
            ("GET", "/assistants/9", AUTH, None, 404),
            ("POST", "/sessions", {"Authorization": "Bearer kura_live_readonly"}, {"assistant_id": 1}, 403),
            ("POST", "/sessions", AUTH, {"assistant_id": 9}, 404),
            ("POST", "/sessions", AUTH, {"assistant_id": 1, "mode": "chat"}, 400),
            ("GET", "/sessions/unknown", AUTH, None, 404),
        ]
        for method, path, headers, body, status in asks:
            async with http.request(method, url + path, headers=headers, json=body) as answer:
                assert answer.status == status, path
        kura.check()
        status, _ = await create(http, kura, call_id="x")
        assert status == 400
        kura.forgive("call_id is undocumented")


async def test_the_budget_of_a_minute_is_real() -> None:
    """The request over the budget is 429 with the time to wait; the headers count down."""
    async with Kura(keys=[Key(per_minute=2)]) as kura, aiohttp.ClientSession() as http:
        left = [(await create(http, kura))[1]["headers"]["X-RateLimit-Remaining"] for _ in range(2)]
        assert left == ["1", "0"]
        status, refused = await create(http, kura)
        assert status == 429
        assert 55 <= int(refused["headers"]["Retry-After"]) <= 60


async def test_a_session_is_opened_once_and_in_time() -> None:
    """The second socket is a violation, a late one is refused, a deleted session closes."""
    async with Kura(lifetime=30) as kura, aiohttp.ClientSession() as http:
        _, made = await create(http, kura)
        ws = await http.ws_connect(made["websocket_url"])
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(made["websocket_url"])
        kura.forgive("a second time")
        async with http.delete(f"{kura.url}/api/v1/sessions/{made['session_id']}", headers=AUTH) as answer:
            assert answer.status == 204
        session = kura.sessions[0]
        await ws.receive()
        await ws.receive()
        await ws.close()
        assert await session.gone() == 1000
        kura.lifetime = -1.0
        _, late = await create(http, kura)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(late["websocket_url"])
        assert refused.value.status == 404
