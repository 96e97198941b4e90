"""The agent's faults, row by row: the caller hears something in time, sockets are closed, the record tells whose fault it was."""

import asyncio
import functools
import json
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.call import supply
from bridge.errors import Class, Reason
from bridge.runtime import sockets
from tests.standins import sound
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession
from tests.support.proxy import Proxy
from tests.support.scene import LINE, Scene, scene

faulty = functools.partial(scene, canary=True)  # S5: another call goes on beside every fault
FALLBACK = LINE + 'fallback = { say = "Please call again." }\n'
WITH_BACKUP = '[[lines]]\nnumber = "*"\nagent = "support"\nbackup_agents = ["second"]\n'
WITH_KURA = '[[lines]]\nnumber = "*"\nagent = "support"\nbackup_agents = ["booking"]\n'


async def falls_back(cast: Scene, *, within: float) -> Reason:
    """A call for which no agent is to be had: the fallback's words come in time; the reason in the record."""
    call = await cast.carrier.call()
    assert await call.ended(timeout=within) == "completed"
    assert call.said == ["Please call again."]
    assert call.ended_at is not None
    assert call.ended_at - call.created_at < within
    record = await cast.record(call)
    assert record.outcome is not None
    assert record.outcome.class_ is Class.AGENT_ERROR
    await cast.idle()
    assert cast.xuna.live == []
    return record.outcome


async def takes_over(cast: Scene, call: PhoneCall, session: XunaSession) -> XunaSession:
    """The same agent anew: it knows what was said, and is heard."""
    began = time.monotonic()
    successor = await cast.xuna.session()
    assert time.monotonic() - began < 3.0
    assert successor.variables["previous_transcript"] == "agent: Hello, how can I help?"
    await successor.say(0.3, frequency=1200)
    await call.hears(0.3)
    assert session.closed
    return successor


async def greeted(cast: Scene) -> tuple[PhoneCall, XunaSession]:
    """A call whose agent has said hello, and was heard."""
    call, session = await cast.talking()
    await session.say(0.3, text="Hello, how can I help?")
    await call.hears(0.25)
    await call.silent_for(0.15)
    return call, session


@pytest.mark.parametrize(("status", "reason"), [(401, Reason.AGENT_AUTH), (403, Reason.AGENT_FORBIDDEN)])
async def test_f01_a_wrong_key_is_not_tried_twice(status: int, reason: Reason, tmp_path: Path) -> None:
    """One attempt, and the fallback at once."""
    async with faulty(tmp_path, lines=FALLBACK) as cast:
        cast.xuna.fault("signed_url", status=status, times=None)
        assert await falls_back(cast, within=2.0) is reason
        assert len(cast.xuna.seen("signed_url")) == 1
        assert (await cast.get("/readyz"))[0] == 200


async def test_f02_an_unknown_agent_is_not_tried_twice(tmp_path: Path) -> None:
    """404 means that it is not there."""
    async with faulty(tmp_path, lines=FALLBACK) as cast:
        cast.xuna.fault("signed_url", status=404, times=None)
        assert await falls_back(cast, within=2.0) is Reason.AGENT_NOT_FOUND
        assert len(cast.xuna.seen("signed_url")) == 1


@pytest.mark.parametrize(("wish", "tries"), [("0", 2), ("1", 2), ("60", 1), ("soon", 2), ("-5", 2), (None, 2)])
async def test_f03_a_busy_agent_is_tried_again_where_there_is_time(
    wish: str | None, tries: int, tmp_path: Path
) -> None:
    """Its wish is obeyed within the caller's patience; nonsense is no wish."""
    async with faulty(tmp_path, lines=FALLBACK) as cast:
        cast.xuna.fault("signed_url", status=429, headers={} if wish is None else {"Retry-After": wish}, times=None)
        assert await falls_back(cast, within=4.0) is Reason.AGENT_BUSY
        assert len(cast.xuna.seen("signed_url")) == tries


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 500}, Reason.AGENT_5XX),
        ({"status": 503, "body": "<html>down</html>"}, Reason.AGENT_5XX),
        ({"status": 200, "body": "<html>hello</html>"}, Reason.AGENT_BAD_REPLY),
        ({"status": 200, "body": '{"signed_url":'}, Reason.AGENT_BAD_REPLY),
        ({"status": 200, "body": "{}"}, Reason.AGENT_BAD_REPLY),
        ({"status": 200, "body": "[]"}, Reason.AGENT_BAD_REPLY),
        ({"status": 200, "body": '{"signed_url": 5}'}, Reason.AGENT_BAD_REPLY),
        ({"status": 200, "body": '{"signed_url": "wss://evil.example.com/x?token=1"}'}, Reason.AGENT_BAD_REPLY),
        ({"status": 200, "body": '{"signed_url": "http://127.0.0.1/x"}'}, Reason.AGENT_BAD_REPLY),
        ({"status": 200, "body": "x" * 10_000_000}, Reason.AGENT_BAD_REPLY),
        ({"truncate": True}, None),
        ({"reset": True}, Reason.AGENT_UNREACHABLE),
    ],
)
async def test_f04_a_broken_answer_is_the_agents_fault(
    fault: dict[str, Any], reason: Reason | None, tmp_path: Path
) -> None:
    """At most two tries, then the fallback; a foreign host is never dialled."""
    async with faulty(tmp_path, lines=FALLBACK) as cast:
        cast.xuna.fault("signed_url", times=None, **fault)
        found = await falls_back(cast, within=4.0)
        assert found is reason or (reason is None and found in {Reason.AGENT_BAD_REPLY, Reason.AGENT_UNREACHABLE})
        assert len(cast.xuna.seen("signed_url")) <= (4 if "reset" in fault else 2)  # HTTP itself repeats a lost GET
        assert cast.xuna.seen("upgrade") == []


async def test_f05_an_agent_that_does_not_answer_is_given_up_in_time(tmp_path: Path) -> None:
    """It takes the request and is silent: the budget holds."""
    async with faulty(tmp_path, lines=FALLBACK, agent="start_timeout_s = 1.5") as cast:
        cast.xuna.fault("signed_url", hang=True, times=None)
        assert await falls_back(cast, within=3.0) is Reason.AGENT_TIMEOUT


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 401}, Reason.AGENT_AUTH),
        ({"status": 404}, Reason.AGENT_NOT_FOUND),
        ({"status": 426}, Reason.AGENT_REFUSED),
        ({"status": 503}, Reason.AGENT_REFUSED),
        ({"status": 302, "headers": {"Location": "ws://127.0.0.1:9/elsewhere?api_key=stolen"}}, Reason.AGENT_REFUSED),
        ({"status": 200, "body": "hello"}, Reason.AGENT_REFUSED),
        ({"reset": True}, None),
    ],
)
async def test_f06_a_refused_upgrade_is_the_agents_fault(
    fault: dict[str, Any], reason: Reason | None, tmp_path: Path
) -> None:
    """At most two tries, each with its own credential; a redirect is not followed."""
    async with faulty(tmp_path, lines=FALLBACK) as cast:
        cast.xuna.fault("upgrade", times=None, **fault)
        found = await falls_back(cast, within=4.0)
        assert found is reason or (reason is None and found in {Reason.AGENT_UNREACHABLE, Reason.AGENT_REFUSED})
        assert len(cast.xuna.seen("upgrade")) <= 2


async def test_f07_an_agent_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    """It takes the socket and says nothing: a silent start, after the budget."""
    async with faulty(tmp_path, lines=FALLBACK, agent="start_timeout_s = 1.0") as cast:
        cast.xuna.fault("upgrade", never_ready=True, times=None)
        assert await falls_back(cast, within=3.0) is Reason.AGENT_SILENT_START


async def test_f08_a_close_with_1000_is_a_normal_end(tmp_path: Path) -> None:
    """Last words, then the phone is hung up; nobody is called for help."""
    async with faulty(tmp_path, lines=WITH_BACKUP) as cast:
        call, session = await cast.talking()
        await session.say(0.5)
        await session.close(1000)
        assert await call.ended() == "completed"
        assert (await cast.record(call)).outcome is Reason.AGENT_HANGUP
        assert cast.backup.sessions == []


@pytest.mark.parametrize("how", ["1001", "1011", "1012", "1013", "rst"])
async def test_f09_a_lost_agent_is_replaced_by_itself(how: str, tmp_path: Path) -> None:
    """A bridging line, then a fresh session that knows what was said, within 3 s."""
    async with faulty(tmp_path) as cast:
        call, session = await greeted(cast)
        if how == "rst":
            session.abort()
        else:
            await session.close(int(how))
        await takes_over(cast, call, session)
        await call.hang_up()
        record = await cast.record(call)
        assert record.outcome is Reason.CALLER_HANGUP
        assert "agent_lost" in [event["type"] for event in record.events]


async def test_f09_what_the_lost_agent_had_sent_is_heard(tmp_path: Path) -> None:
    """Two seconds were queued: all of it plays, then the bridging line, then the successor."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(2.0, frequency=700)
        await call.hears(0.5)
        session.abort()
        await cast.xuna.session()
        await call.hears(1.4)
        await call.hears(0.3)
        assert call.stream is not None
        start, _ = call.stream.playout.spans[0]
        heard = call.stream.heard_pcm[start : start + 15_900]
        assert sound.frequency_of(heard, 8000) == pytest.approx(700, abs=2)


async def test_f09_a_backup_takes_over_where_the_agent_is_not_to_be_had(tmp_path: Path) -> None:
    """XUNA to XUNA, in mid-call, within 3 s, with what was said among its variables."""
    async with faulty(tmp_path, lines=WITH_BACKUP) as cast:
        call, session = await greeted(cast)
        cast.xuna.fault("signed_url", status=503, times=None)
        began = time.monotonic()
        session.abort()
        successor = await cast.backup.session()
        assert time.monotonic() - began < 3.0
        assert successor.variables["previous_transcript"] == "agent: Hello, how can I help?"
        await successor.say(0.3)
        await call.hears(0.3)
        await call.hang_up()
        assert (await cast.record(call)).agent == "second"


async def test_f09_kura_takes_over_from_xuna(tmp_path: Path) -> None:
    """The other protocol, another rate: told in its metadata, heard and hearing."""
    async with faulty(tmp_path, lines=WITH_KURA) as cast:
        call, session = await greeted(cast)
        cast.xuna.fault("signed_url", status=401, times=None)
        began = time.monotonic()
        session.abort()
        successor = await cast.kura.session()
        assert time.monotonic() - began < 3.0
        assert successor.asked["metadata"]["previous_transcript"] == "agent: Hello, how can I help?"
        await call.hears(0.5)
        await successor.say(0.5, frequency=1000)
        await call.speak(sound.tone(0.5, frequency=600))
        await successor.heard(0.6)
        await call.hang_up()
        assert await successor.gone(timeout=2.0) == 1000


async def test_f09_xuna_takes_over_from_kura(tmp_path: Path) -> None:
    """And back: what was said is among its variables, and it is heard."""
    lines = LINE.replace('"support"', '"booking"') + 'backup_agents = ["support"]\n'
    async with faulty(tmp_path, lines=lines) as cast:
        call = await cast.carrier.call()
        session = await cast.kura.session()
        await call.streaming()
        await session.say(0.3, text="Hello from Kura.")
        await call.hears(0.25)
        await call.silent_for(0.15)
        cast.kura.fault("create", status=401, times=None)
        began = time.monotonic()
        session.abort()
        successor = await cast.xuna.session()
        assert time.monotonic() - began < 3.0
        assert "Hello from Kura." in successor.variables["previous_transcript"]
        assert successor.overrides["agent"]["first_message"]
        await successor.say(0.3)
        await call.hears(0.3)
        await call.hang_up()
        assert (await cast.record(call)).agent == "support"


async def test_f09_without_any_successor_the_fallback_has_the_line(tmp_path: Path) -> None:
    """The caller hears the bridging line, then the fallback."""
    async with faulty(tmp_path, lines=FALLBACK) as cast:
        call, session = await greeted(cast)
        cast.xuna.fault("signed_url", status=401, times=None)
        session.abort()
        assert await call.ended() == "completed"
        assert call.said == ["Please call again."]
        assert (await cast.record(call)).outcome is Reason.AGENT_AUTH


async def test_f10_an_agent_behind_a_dead_network_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No FIN, no RST: only the missing pong tells. (With a tenth of the times that are really waited.)"""
    monkeypatch.setattr(sockets, "PING_S", 0.5)
    monkeypatch.setattr(sockets, "PONG_S", 0.5)
    async with Xuna() as xuna, Proxy(f"127.0.0.1:{xuna.port}") as proxy:
        xuna.socket_base = f"ws://127.0.0.1:{proxy.port}"
        async with faulty(tmp_path, xuna=None) as cast:
            await check_half_open(cast, proxy)


async def check_half_open(cast: Scene, proxy: Proxy) -> None:
    """Everything between the bridge and the agent's socket is lost from now on."""
    proxy.target = ("127.0.0.1", cast.xuna.port)
    cast.xuna.socket_base = f"ws://127.0.0.1:{proxy.port}"
    call, _ = await greeted(cast)
    proxy.swallow_up = proxy.swallow_down = True
    cast.xuna.socket_base = None
    began = time.monotonic()
    successor = await cast.xuna.session()
    assert time.monotonic() - began < 2.5
    await successor.say(0.3)
    await call.hears(0.3)


async def test_f12_a_slow_agent_leaves_gaps_and_nothing_else(tmp_path: Path) -> None:
    """Sound at half its speed: every sample once, in order."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(1.0, chunk_ms=100, speed=0.5)
        await call.hears(0.9)
        await call.silent_for(0.3)
        assert call.stream is not None
        assert sum(length for _, length in call.stream.playout.spans) == pytest.approx(8000, abs=2)
        assert not call.over


async def test_f12_an_agent_of_whose_speech_more_than_half_is_missing_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of its speed: another session has the call. (After a second instead of ten.)"""
    monkeypatch.setattr(supply, "WINDOW_S", 1.0)
    monkeypatch.setattr(supply, "MOST_MISSING_S", 0.5)
    async with faulty(tmp_path) as cast:
        call, session = await greeted(cast)
        slow = asyncio.create_task(session.say(5.0, chunk_ms=100, speed=0.3))
        await takes_over(cast, call, session)
        await slow
        await call.hang_up()
        record = await cast.record(call)
        assert record.detail["counts"]["underruns"] >= 2
        assert "agent_stalled" in [event.get("reason") for event in record.events]


async def test_f13_a_burst_is_cut_at_once(tmp_path: Path) -> None:
    """A minute sent in a moment, and an interruption behind it: silence within 200 ms."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        await session.say(60.0, chunk_ms=1000)
        await call.hears(0.1)
        began = time.monotonic()
        await session.interrupt()
        await call.silent_for(0.3)
        last = call.stream.playout.origin + call.stream.playout.last_loud / 8000
        assert last - began < 0.2 + 0.3


GARBAGE: list[str | bytes] = [
    b"\x00\xff\x80 noise",
    "not json",
    "5",
    "[]",
    "null",
    '"text"',
    "{}",
    '{"type": 5}',
    '{"type": "audio"}',
    '{"type": "audio", "audio_event": {"audio_base_64": 7}}',
    '{"type": "audio", "audio_event": {"audio_base_64": "!!@@"}}',
    '{"type": "audio", "audio_event": {"audio_base_64": "AAA"}}',
    '{"type": "audio", "audio_event": {"audio_base_64": ""}}',
    '{"type": "ping"}',
    '{"type": "ping", "ping_event": {"event_id": "x"}}',
    '{"type": "agent_response", "agent_response_event": []}',
    '{"type": "user_transcript"}',
    '{"type": "never_heard_of", "with": {"anything": [1, 2]}}',
    json.dumps({"type": "x" * 10_000}),
    '{"a":' * 5000 + "1" + "}" * 5000,
    '{"type": "interruption", "interruption_event": "now"}',
]


async def test_f14_f16_f18_single_nonsense_is_skipped(tmp_path: Path) -> None:
    """Binary, no JSON, wrong types, bad base64, unknown, deep: counted, and the call goes on."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        for each in GARBAGE:
            await session.send_raw(each)
        await session.say(0.4)
        await call.hears(0.35)
        assert await session.ponged(await session.ping()) < 0.5
        await call.hang_up()
        record = await cast.record(call)
        assert record.detail["counts"]["bad_messages"]["agent"] >= 10
        assert len(record.detail["counts"]["ignored"]) < 10


async def test_f14_a_second_of_nonsense_is_a_loss(tmp_path: Path) -> None:
    """Fifty in a row: a fresh session is fetched."""
    async with faulty(tmp_path) as cast:
        call, session = await greeted(cast)
        for _ in range(60):
            if not await session.send_raw("{"):
                break
        await takes_over(cast, call, session)


@pytest.mark.parametrize("size", [1_100_000, 16 * 1024 * 1024])
async def test_f15_a_huge_message_is_a_loss(size: int, tmp_path: Path) -> None:
    """It is not read to its end, and the caller is told that the agent is fetched anew."""
    async with faulty(tmp_path) as cast:
        call, session = await greeted(cast)
        await session.send_raw('{"type": "' + "x" * size + '"}')
        await takes_over(cast, call, session)


async def test_f15_endless_fragments_are_a_loss(tmp_path: Path) -> None:
    """Many tiny pieces of one message do not fill the memory."""
    async with faulty(tmp_path) as cast:
        call, session = await greeted(cast)
        transport = session.request.transport
        assert transport is not None
        transport.write(b"\x01\x01x" + b"\x00\x01x" * 5000)  # RFC 6455: text without FIN, then continuations
        await takes_over(cast, call, session)


async def test_f17_odd_bytes_shift_nothing(tmp_path: Path) -> None:
    """One byte at a time for a while, then whole chunks: the tone stays a tone."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        data = sound.tone(1.0, rate=16000, frequency=997).tobytes()
        await session.say(data[:201], chunk_bytes=1)
        await session.say(data[201:], chunk_bytes=3333)
        await call.hears(0.9)
        await call.silent_for(0.1)
        assert call.stream is not None
        start, length = call.stream.playout.spans[0]
        assert length == pytest.approx(8000, abs=2)
        assert sound.fit_sine(call.stream.heard_pcm[start + 800 : start + 7600], 997, 8000).snr_db > 30


async def test_f19_another_format_announced_in_mid_call_is_a_loss(tmp_path: Path) -> None:
    """Never chipmunks: the session is fetched anew, and converts what it announces."""
    async with faulty(tmp_path) as cast:
        call, session = await greeted(cast)
        message = session.metadata_message()
        message["conversation_initiation_metadata_event"]["agent_output_audio_format"] = "pcm_48000"
        await session.send(message)
        successor = await takes_over(cast, call, session)
        assert call.stream is not None
        await call.silent_for(0.2)
        start, length = call.stream.playout.spans[-1]
        heard = call.stream.heard_pcm[start : start + length]
        assert sound.frequency_of(heard[-2000:], 8000) == pytest.approx(1200, rel=0.01)
        assert not successor.closed


async def test_f19_a_format_nobody_can_play_is_refused(tmp_path: Path) -> None:
    """opus_48000 at the start: agent_format, and the fallback."""
    from tests.standins.xuna import XunaAgent

    agent = XunaAgent("agent_1")
    async with faulty(tmp_path, lines=FALLBACK, xuna=Xuna(agents=[agent])) as cast:
        agent.output_format = "opus_48000"
        assert await falls_back(cast, within=4.0) is Reason.AGENT_FORMAT


async def test_f20_sound_out_of_order_is_dropped_after_an_interruption(tmp_path: Path) -> None:
    """Not one sample of the cut turn is heard later than 200 ms after the clear."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        for number in (1, 2, 3, 4, 5):
            await session.say(1.0, event_id=number)
        await call.hears(0.3)
        await session.interrupt()
        for number in (5, 2, 4, 1, 3):
            await session.say(0.5, event_id=number)
        await asyncio.sleep(0.2)
        loud = call.stream.playout.last_loud
        await call.silent_for(0.4)
        assert call.stream.playout.last_loud == loud
