"""``callbridge phone`` as a command."""

import argparse
import asyncio
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from bridge.audio.sound import Sound, from_samples
from bridge.audio.wav import read_file, write
from bridge.phone.command import add_arguments, run

from .toy import TOKEN, Media, Toy

CONNECT = '<Response><Connect action="/after"><Stream url="{ws}"/></Connect></Response>'
TONE = from_samples(0.2 * np.sin(2 * np.pi * 300 * np.arange(16000) / 16000), 16000)


def parse(*words: str) -> argparse.Namespace:
    """The arguments as the command line has them."""
    parser = argparse.ArgumentParser(prog="callbridge phone")
    add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def toy() -> Iterator[Toy]:
    """A bridge in a thread of its own, for a command that has the main one: greets, and ends after the caller's second."""

    async def media(stream: Media) -> None:
        await stream.until("start")
        await stream.play(TONE.mulaw())
        while set(b64decode((await stream.until("media"))["media"]["payload"])) == {0xFF}:
            pass
        await stream.play(TONE.mulaw())
        await stream.until("dtmf")

    server = Toy({"/twilio/voice": CONNECT, "/after": "<Response><Hangup/></Response>"}, media)
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_a_call_is_printed_and_saved(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A call with a recording and a key prints what happened with latencies, saves what was heard, and exits with 0."""
    (tmp_path / "caller.wav").write_bytes(write(TONE))
    out = tmp_path / "heard.wav"
    words = (
        "--wav",
        str(tmp_path / "caller.wav"),
        "--dtmf",
        "1",
        "--out",
        str(out),
        "--auth-token",
        TOKEN,
        "--url",
        toy.url,
    )
    assert run(parse(*words)) == 0
    printed = capsys.readouterr().out
    assert "first word" in printed
    assert "caller presses 1" in printed
    heard = read_file(out)
    assert heard.rate == 8000
    assert Sound(heard.pcm, 8000).level == pytest.approx(TONE.level, abs=0.5)
    media = [message["media"]["payload"] for message in toy.streams[0].seen if message["event"] == "media"]
    assert TONE.mulaw() in b"".join(b64decode(payload) for payload in media)


def test_json_is_one_object(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the output is one object with the latencies, and nothing else."""
    (tmp_path / "caller.wav").write_bytes(write(TONE))
    wav = str(tmp_path / "caller.wav")
    words = (
        "--json",
        "--wav",
        wav,
        "--dtmf",
        "1",
        "--out",
        str(tmp_path / "h.wav"),
        "--auth-token",
        TOKEN,
        "--url",
        toy.url,
    )
    assert run(parse(*words)) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["answered"] is True
    assert body["latency"]["first_word_ms"] >= 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--wav", "{file}"), "no WAV file"),
        (("--wav", "{missing}"), "cannot be read"),
        (("--say", "hello"), "speech synthesis"),
        (("--url", "http://127.0.0.1:1"), "cannot be reached"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: tuple[str, ...], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording that is none, a missing one, words without a voice, nobody there: one clear line and exit code 1."""
    (tmp_path / "bad.wav").write_text("not a recording")
    filled = [word.format(file=tmp_path / "bad.wav", missing=tmp_path / "gone.wav") for word in words]
    assert run(parse(*filled, "--out", str(tmp_path / "h.wav"))) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [("--dtmf", "12x"), ("--url", "bridge.example.com"), ("--max-duration", "-1")])
def test_used_wrongly_is_two(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Keys that no telephone has, an address without a scheme, a duration of nothing: exit code 2."""
    with pytest.raises(SystemExit) as caught:
        parse(*words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_turns_keep_their_order() -> None:
    """Recordings and words are spoken in the order in which they were given."""
    assert parse("--say", "one", "--wav", "two.wav", "--say", "three").turns == [
        ("say", "one"),
        ("wav", "two.wav"),
        ("say", "three"),
    ]
