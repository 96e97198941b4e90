"""``callbridge demo``: the whole thing on loopback, and what it prints. (tests/docs runs the command as users type it.)"""

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.audio.wav import read_file
from bridge.call.record import CallRecord, Direction, Turn
from bridge.cli import main
from bridge.cli.demo import Transcript, listen
from bridge.errors import Reason


def record() -> CallRecord:
    """A call in which nothing was said yet."""
    now = datetime.now(UTC)
    return CallRecord("call_1", Direction.INBOUND, "+15550123456", "+15550100", "*", "demo", now)


def test_a_port_that_is_free_is_taken() -> None:
    """On this machine alone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with listen(port) as listener:
        assert listener.getsockname() == ("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_a_port_in_use_is_said_and_another_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """A demo does not fail because something else runs already."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with listen(port) as listener:
            assert listener.getsockname()[1] not in (0, port)
    assert f"Port {port} is in use" in capsys.readouterr().err


def test_each_turn_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """When it has words, however often the record changes."""
    transcript, call = Transcript(), record()
    call.add_turn(Turn("agent", "Hello!", 300))
    transcript.follow(call)
    transcript.follow(call)
    assert capsys.readouterr().out.count("Hello!") == 1
    call.add_turn(Turn("caller", "", 900))
    transcript.follow(call)
    assert capsys.readouterr().out == ""
    call.add_turn(Turn("caller", "Good day.", 1500))
    transcript.follow(call)
    assert capsys.readouterr().out.split() == ["1.5", "s", "caller", "“Good", "day.”"]


def test_what_an_interrupted_agent_was_heard_to_say_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the turn, and only when it is known."""
    transcript, call = Transcript(), record()
    call.add_turn(Turn("agent", "We are open from nine to five.", 300))
    transcript.follow(call)
    assert "interrupted" not in capsys.readouterr().out
    call.turns[0].interrupted, call.turns[0].heard = True, "We are open"
    transcript.follow(call)
    transcript.follow(call)
    assert capsys.readouterr().out.split("interrupted")[1:] == ["; the caller heard: “We are open”\n"]


def test_two_calls_are_kept_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """The softphone may be in use while the first call goes on."""
    transcript, first, second = Transcript(), record(), record()
    second.call_id = "call_2"
    for call, words in ((first, "One."), (second, "Two.")):
        call.add_turn(Turn("agent", words, 0))
        transcript.follow(call)
    told = capsys.readouterr().out
    assert ("One." in told, "Two." in told) == (True, True)


def test_the_end_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """And with the latencies that were measured."""
    call = record()
    call.finish(Reason.CALLER_HANGUP, datetime.now(UTC))
    Transcript().follow(call)
    told = capsys.readouterr().out
    assert f"the record: {call.status}, caller_hangup" in told
    assert "latencies" in told


@pytest.mark.slow
def test_one_call_is_made_and_what_was_heard_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In Kura's protocol too (tests/acceptance has XUNA's): what is said is printed, the sound is in the file."""
    out = tmp_path / "heard.wav"
    assert main(["demo", "--once", "--agent", "kura", "--port", "0", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "speaks KURA's protocol" in told
    assert "  agent " in told
    assert "the record: completed" in told
    sound = read_file(out)
    assert len(sound.pcm) / 2 / sound.rate > 3
    assert max(sound.pcm) > 0


def test_an_agent_that_is_none_is_a_wrong_use() -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as refused:
        main(["demo", "--agent", "parrot"])
    assert refused.value.code == 2
