"""The XUNA stand-in catches what a client does wrong, and does what its documents say."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.standins import sound
from tests.standins.xuna import Xuna, XunaAgent, XunaSession

INIT = json.dumps({"type": "conversation_initiation_client_data", "dynamic_variables": {"call_id": "call_1"}})
KEY = {"xi-api-key": "xi-standin-key-0001"}
ROOT = "/v1/convai"


def audio(pcm: bytes) -> str:
    """An uplink message."""
    return json.dumps({"type": "audio", "audio_event": {"audio_base_64": base64.b64encode(pcm).decode()}})


async def signed(http: aiohttp.ClientSession, xuna: Xuna) -> str:
    """A signed URL, fetched as documented."""
    async with http.get(
        f"{xuna.url}{ROOT}/conversation/get-signed-url", params={"agent_id": "agent_1"}, headers=KEY
    ) as answer:
        assert answer.status == 200
        return str((await answer.json())["signed_url"])


async def pump(ws: aiohttp.ClientWebSocketResponse, out: list[dict[str, Any]]) -> None:
    """A client that answers pings, as it should."""
    async for message in ws:
        data = json.loads(message.data)
        out.append(data)
        if data["type"] == "ping":
            await ws.send_json({"type": "pong", "event_id": data["ping_event"]["event_id"]})


async def test_a_whole_conversation_is_served() -> None:
    """Sound goes both ways, a ping is answered, the end is in the history, and there is nothing to complain of."""
    async with Xuna() as xuna, aiohttp.ClientSession() as http:
        got: list[dict[str, Any]] = []
        async with http.ws_connect(await signed(http, xuna)) as ws:
            reader = asyncio.create_task(pump(ws, got))
            await ws.send_str(INIT)
            session = await xuna.session()
            assert session.variables == {"call_id": "call_1"}
            assert await session.say(0.5, text="Hello", event_id=None) == 0.5
            await ws.send_str(audio(sound.tone(0.1, rate=16000).tobytes()))
            assert len(await session.heard(0.1)) == 1600
            assert await session.ponged(await session.ping()) < 0.5
            await session.user_transcript("Hi")
            await session.interrupt(3)
            await session.close(1000)
            await reader
        kinds = [m["type"] for m in got]
        assert kinds[:2] == ["conversation_initiation_metadata", "agent_response"]
        assert [m["audio_event"]["event_id"] for m in got if m["type"] == "audio"] == [1, 2, 3, 4, 5]
        assert kinds[-2:] == ["user_transcript", "interruption"]
        await session.gone()
        assert (session.close_code, session.closed_by) == (1000, "server")
        async with http.get(f"{xuna.url}{ROOT}/conversations/{session.conversation_id}", headers=KEY) as answer:
            record = await answer.json()
        assert [t["role"] for t in record["transcript"]] == ["agent", "user"]
        async with http.get(record["audio"], headers=KEY) as answer:
            assert len(await answer.read()) == 3200


async def speak(ws: aiohttp.ClientWebSocketResponse, *messages: str | bytes) -> None:
    """Send as text or binary, by type."""
    for message in messages:
        if isinstance(message, str):
            await ws.send_str(message)
        else:
            await ws.send_bytes(message)


WRONG: dict[str, tuple[list[str | bytes], str]] = {
    "order": ([audio(b"\0\0"), INIT], "the first message is 'audio'"),
    "twice": ([INIT, INIT], "a second time"),
    "field": ([json.dumps({"type": "conversation_initiation_client_data", "user_id": "x"})], "user_id is undocumented"),
    "variable": ([INIT.replace('"call_1"', "[1]")], "dynamic variable 'call_id' is list"),
    "half": ([INIT, audio(b"\0\0\0")], "half a sample"),
    "base64": ([INIT, audio(b"\0\0").replace("AAA=", "AA!=")], "not base64"),
    "padding": ([INIT, audio(b"\0\0").replace("AAA=", "AAA")], "not base64"),
    "binary": ([INIT, b"\0\0"], "binary message"),
    "unknown": ([INIT, '{"type": "user_message", "text": "hi"}'], "undocumented message 'user_message'"),
    "elevenlabs": ([INIT, '{"user_audio_chunk": "AAA="}'], "undocumented message"),
    "pong": ([INIT, '{"type": "pong", "event_id": 9}'], "answers no ping"),
    "json": ([INIT, "hello"], "not JSON"),
}


@pytest.mark.parametrize("case", list(WRONG))
async def test_a_wrong_message_is_a_violation(case: str) -> None:
    """Every kind of wrong message is caught and named."""
    messages, words = WRONG[case]
    async with Xuna(agents=[XunaAgent("agent_1", public=True)]) as xuna, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{xuna.url}{ROOT}/conversation?agent_id=agent_1") as ws:
            await speak(ws, *messages)
            await xuna.sessions[0].pulse.until(lambda: bool(xuna.violations), "a violation")
        with pytest.raises(AssertionError, match=words):
            xuna.check()
        xuna.forgive(words)


async def test_silence_where_something_is_due_is_a_violation() -> None:
    """A first message that never comes and a pong that is late are caught by the clock."""
    async with Xuna(init_within=0.05, pong_within=0.05) as xuna, aiohttp.ClientSession() as http:
        async with http.ws_connect(await signed(http, xuna)) as ws:
            await xuna.pulse.until(lambda: bool(xuna.sessions), "a socket")
            session = xuna.sessions[0]
            assert isinstance(session, XunaSession)
            await session.ping(7)
            await asyncio.sleep(0.15)
            await ws.close()
        xuna.forgive("no conversation_initiation_client_data within")
        xuna.forgive("no pong 7 within")


async def test_signed_urls_are_single_use_and_expire() -> None:
    """The second use is refused and a violation; an expired one is only refused."""
    async with Xuna(url_lifetime=0.1) as xuna, aiohttp.ClientSession() as http:
        first = await signed(http, xuna)
        async with http.ws_connect(first) as ws:
            await ws.send_str(INIT)
            await xuna.session()
        for url, wait in ((first, 0.0), (await signed(http, xuna), 0.15)):
            await asyncio.sleep(wait)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(url)
            assert refused.value.status == 401
        xuna.forgive("used twice")


async def test_keys_agents_and_tokens_are_checked() -> None:
    """A wrong key is 401, an unknown agent 404, a private agent takes no bare socket, and an unknown path is a violation."""
    async with Xuna() as xuna, aiohttp.ClientSession() as http:
        root = xuna.url + ROOT
        asks: list[tuple[str, dict[str, str], int]] = [
            (f"{root}/agents", {}, 401),
            (f"{root}/agents", KEY, 200),
            (f"{root}/conversation/token?agent_id=nobody", KEY, 404),
            (f"{root}/conversation/token?agent_id=agent_1", KEY, 200),
            (f"{root}/conversation?agent_id=agent_1", {}, 401),
            (f"{root}/nowhere", KEY, 404),
        ]
        for url, headers, status in asks:
            async with http.get(url, headers=headers) as answer:
                assert answer.status == status, url
        xuna.forgive("without a signed URL")
        xuna.forgive("undocumented request: GET /v1/convai/nowhere")


async def test_faults_come_on_order() -> None:
    """Statuses with Retry-After, broken and half bodies, resets, refused and redirected upgrades, each as often as asked for."""
    async with Xuna() as xuna, aiohttp.ClientSession() as http:
        url = f"{xuna.url}{ROOT}/conversation/get-signed-url?agent_id=agent_1"
        xuna.fault("signed_url", status=429, headers={"Retry-After": "1"}, times=2)
        for _ in range(2):
            async with http.get(url, headers=KEY) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        xuna.fault("signed_url", body="<html>")
        async with http.get(url, headers=KEY) as answer:
            assert await answer.text() == "<html>"
        for broken in ("reset", "truncate"):
            fault = xuna.fault("signed_url", times=None, **{broken: True})  # a client may retry a GET by itself
            with pytest.raises(aiohttp.ClientError):
                async with http.get(url, headers=KEY) as answer:
                    await answer.read()
            fault.stop()
        xuna.fault("upgrade", status=302, headers={"Location": "http://127.0.0.1:9/"})
        async with http.get(await signed(http, xuna), allow_redirects=False) as answer:
            assert answer.status == 302
        xuna.fault("upgrade", never_ready=True)
        async with http.ws_connect(await signed(http, xuna)) as ws:
            await ws.send_str(INIT)
            with pytest.raises(TimeoutError):
                await ws.receive(timeout=0.1)
        assert len(xuna.seen("signed_url")) >= 7


Ending = Callable[[XunaSession], Awaitable[Any]]


async def abort(session: XunaSession) -> None:
    """Lose the connection."""
    session.abort()


@pytest.mark.parametrize(("ending", "code"), [(lambda s: s.close(1011), 1011), (abort, 1006)])
async def test_a_session_ends_as_the_test_says(ending: Ending, code: int) -> None:
    """A close code arrives as given; a reset arrives as a lost connection."""
    async with Xuna() as xuna, aiohttp.ClientSession() as http, http.ws_connect(await signed(http, xuna)) as ws:
        await ws.send_str(INIT)
        await ws.receive()
        await ending(await xuna.session())
        await ws.receive()
        assert ws.close_code == code


async def test_lists_are_paged_and_deletion_is_final() -> None:
    """A cursor leads through all conversations; a deleted one is gone."""
    async with Xuna() as xuna, aiohttp.ClientSession() as http:
        for _ in range(3):
            async with http.ws_connect(await signed(http, xuna)) as ws:
                await ws.send_str(INIT)
                session = await xuna.session()
            await session.gone()
        found, query = [], {"agent_id": "agent_1", "page_size": "2"}
        while True:
            async with http.get(f"{xuna.url}{ROOT}/conversations", params=query, headers=KEY) as answer:
                page = await answer.json()
            found += [c["conversation_id"] for c in page["conversations"]]
            if not page["has_more"]:
                break
            query["cursor"] = page["next_cursor"]
        assert sorted(found) == sorted(s.session_id for s in xuna.sessions)
        one = f"{xuna.url}{ROOT}/conversations/{found[0]}"
        async with http.delete(one, headers=KEY) as answer:
            assert answer.status == 200
        async with http.get(one, headers=KEY) as answer:
            assert answer.status == 404


async def test_a_session_that_stalls_reads_nothing_until_it_resumes() -> None:
    """What was sent meanwhile is there afterwards."""
    async with Xuna() as xuna, aiohttp.ClientSession() as http, http.ws_connect(await signed(http, xuna)) as ws:
        await ws.send_str(INIT)
        session = await xuna.session()
        session.stall()
        for _ in range(50):
            await ws.send_str(audio(bytes(640)))
        with pytest.raises(AssertionError, match="waited"):
            await session.heard(0.5, timeout=0.2)
        session.resume()
        assert len(await session.heard(1.0)) == 16000


async def test_speech_may_be_paced_and_cut_anywhere() -> None:
    """Sound at a given speed takes its time; chunks may end inside a sample, and their bytes are all there."""
    async with Xuna() as xuna, aiohttp.ClientSession() as http, http.ws_connect(await signed(http, xuna)) as ws:
        got: list[dict[str, Any]] = []
        reader = asyncio.create_task(pump(ws, got))
        await ws.send_str(INIT)
        session = await xuna.session()
        begin = asyncio.get_running_loop().time()
        await session.say(0.4, speed=2.0, with_ids=False)
        assert 0.1 < asyncio.get_running_loop().time() - begin < 0.5
        await session.say(0.1, chunk_bytes=1001, event_id=7)
        await session.close()
        await reader
        cut = [m["audio_event"] for m in got if m["type"] == "audio"]
        assert [e.get("event_id") for e in cut] == [None] * 4 + [7] * 4
        assert b"".join(base64.b64decode(e["audio_base_64"]) for e in cut[4:]) == sound.tone(0.1, rate=16000).tobytes()
