"""The other commands, as scripts use them."""

import csv
import io
import json
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.acceptance.bridge import ACCOUNT, PUBLIC, TOKEN, Bridge, Output, configuration, run, xuna
from tests.acceptance.conftest import Serve
from tests.standins import sound
from tests.standins.xuna import Xuna, XunaSession

COMMANDS = ("serve", "demo", "phone", "calls", "bench")


async def test_help_is_there_for_every_command(tmp_path: Path) -> None:
    """--help names every command and every option, and exits with 0."""
    done = await run("--help", folder=tmp_path)
    assert done.code == 0
    for command in COMMANDS:
        assert command in done.out
    for command, words in {
        ("serve",): ("--config", "--host", "--port"),
        ("demo",): ("--once",),
        ("phone",): ("--url", "--from", "--to", "--wav", "--say", "--dtmf", "--out"),
        ("calls",): ("list", "show", "export", "delete"),
        ("calls", "list"): ("--json", "--limit"),
    }.items():
        told = await run(*command, "--help", folder=tmp_path)
        assert told.code == 0
        assert all(word in told.out for word in words), told.out


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("nonsense",), ("serve", "--nonsense"), ("serve", "--port", "many"), ("phone", "--url", "nonsense"),
        ("phone", "--dtmf", "x!"), ("calls",), ("calls", "nonsense"), ("calls", "show"), ("calls", "list", "--limit", "x"),
        ("serve", "--port", "70000"), ("calls", "list", "--limit", "0"), ("phone", "--from"),
    ],
)  # fmt: skip
async def test_wrong_usage_is_exit_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing is done, and what was wrong is said on standard error."""
    done = await run(*arguments, folder=tmp_path)
    assert done.code == 2, done
    assert done.err.strip()
    assert "Traceback" not in done.err


async def greet(session: XunaSession) -> None:
    """Speaks a second, listens to a second, leaves."""
    await session.say(1.0, text="Hello! How can I help?")
    await session.heard(2.0, timeout=20)
    await session.user_transcript("What are your opening hours?")
    await session.say(0.5, text="From nine to five.")
    await session.close(1000)


async def phone(bridge: Bridge, folder: Path, *arguments: str) -> Output:
    """A simulated call to this bridge."""
    return await run(
        "phone", "--url", bridge.url, "--public-url", PUBLIC, *arguments, folder=folder,
        env={"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN},
    )  # fmt: skip


async def test_the_phone_calls_a_bridge_and_keeps_what_was_heard(serve: Serve, tmp_path: Path) -> None:
    """heard.wav is mono PCM16 at 8 kHz in the working folder and holds the agent's sound."""
    async with Xuna() as server:
        server.on_session = greet
        bridge = await serve(configuration(tmp_path, xuna(server)))
        sound.write_wav(tmp_path / "words.wav", sound.speechlike(1.5), 8000)
        done = await phone(
            bridge, tmp_path, "--from", "+15550123456", "--to", "+15550100", "--wav", "words.wav", "--dtmf", "1"
        )
        assert done.code == 0, done
        with wave.open(str(tmp_path / "heard.wav")) as wav:
            assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 8000)
        pcm, _ = sound.read_wav(tmp_path / "heard.wav")
        loud = np.flatnonzero(np.abs(pcm.astype(int)) > 1000)
        assert len(loud) > 0.9 * 8000
        first = pcm[loud[0] : loud[0] + 8000]
        assert abs(sound.frequency_of(first, 8000) - 440) < 1
        session = server.sessions[0]
        assert isinstance(session, XunaSession)
        assert session.variables["phone_number"] == "+15550123456"
        assert session.variables["called_number"] == "+15550100"


@pytest.mark.parametrize("what", ["text", "empty", "missing", "cut"])
async def test_a_wav_that_is_no_wav_is_one_clear_line(what: str, tmp_path: Path) -> None:
    """Exit 1, one line that names the file; nothing is called."""
    file = tmp_path / "bad.wav"
    if what == "text":
        file.write_text("this is no sound at all, though it is long enough to be one " * 10)
    elif what == "empty":
        file.write_bytes(b"")
    elif what == "cut":
        sound.write_wav(file, sound.tone(1.0), 8000)
        file.write_bytes(file.read_bytes()[:30])
    done = await run("phone", "--url", "http://127.0.0.1:9", "--wav", str(file), folder=tmp_path)
    assert done.code == 1
    assert len(done.err.strip().splitlines()) == 1
    assert "bad.wav" in done.err


async def test_a_phone_without_a_bridge_is_one_clear_line(tmp_path: Path) -> None:
    """Nobody answers at the URL: exit 1."""
    done = await run("phone", "--url", "http://127.0.0.1:9", "--json", folder=tmp_path)
    assert done.code == 1
    assert len(done.err.strip().splitlines()) == 1


async def test_the_phone_prints_json_for_scripts(serve: Serve, tmp_path: Path) -> None:
    """--json: one object on standard output and nothing else; --out names another file."""
    async with Xuna() as server:
        server.on_session = greet
        bridge = await serve(configuration(tmp_path, xuna(server)))
        done = await phone(bridge, tmp_path, "--say", "What are your opening hours?", "--json", "--out", "other.wav")
        assert done.code == 0, done
        told = json.loads(done.out)
        assert told["answered"] is True
        assert told["latency"]["first_word_ms"] < 400
        assert (tmp_path / "other.wav").stat().st_size > 8000


async def test_records_are_listed_shown_exported_and_deleted(serve: Serve, tmp_path: Path) -> None:
    """calls list, show, export, delete: with --json for scripts, by our id and by the carrier's."""
    async with Xuna() as server:
        server.on_session = greet
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            await call.streaming()
            await call.speak(sound.speechlike(2.5))
            await call.ended()
            record = await bridge.record(call.sid)
        config = ("--config", str(tmp_path / "bridge.toml"))

        async def calls(*arguments: str) -> Output:
            return await run("calls", *arguments, *config, folder=tmp_path)

        listed = await calls("list", "--json")
        assert listed.code == 0
        body = json.loads(listed.out)
        assert [each["call_id"] for each in body["calls"]] == [record["call_id"]]
        assert json.loads((await calls("list", "--json", "--status", "failed")).out)["calls"] == []
        assert record["call_id"] in (await calls("list")).out
        shown = json.loads((await calls("show", call.sid, "--json")).out)
        same = json.loads((await calls("show", record["call_id"], "--json")).out)
        assert shown | {"analysis": None} == same | {"analysis": None}  # which the agent may give in between
        assert shown["outcome"] == {"side": "agent", "class": "success", "reason": "agent_hangup"}
        assert [turn["role"] for turn in shown["turns"]] == ["agent", "caller", "agent"]
        words = await calls("show", call.sid)
        assert "From nine to five." in words.out
        lines = (await calls("export")).out.splitlines()
        assert [json.loads(line)["call_id"] for line in lines] == [record["call_id"]]
        rows = list(csv.DictReader(io.StringIO((await calls("export", "--format", "csv")).out)))
        assert rows[0]["call_id"] == record["call_id"]
        assert rows[0]["reason"] == "agent_hangup"
        assert (await calls("show", "call_unknown")).code == 1
        assert (await calls("delete", "call_unknown")).code == 1
        assert (await calls("delete", call.sid)).code == 0
        assert json.loads((await calls("list", "--json")).out)["calls"] == []
        assert (await calls("delete", call.sid)).code == 1


async def test_the_demo_talks_and_exits(tmp_path: Path) -> None:
    """demo --once: exit 0, the conversation is printed, heard.wav holds speech."""
    done = await run("demo", "--once", "--port", "0", folder=tmp_path, timeout=100)
    assert done.code == 0, done
    pcm, rate = sound.read_wav(tmp_path / "heard.wav")
    assert rate == 8000
    frames = pcm[: len(pcm) // 160 * 160].reshape(-1, 160).astype(float)
    levels = np.sqrt(np.mean(frames**2, axis=1))
    assert np.sum(levels > 300) * 0.02 > 5, "less than 5 s of sound"
    assert np.std(levels[levels > 300]) > 300, "a tone, not speech"
    assert "agent" in done.out
    assert "caller" in done.out
    assert "ms" in done.out
