"""bridge/cli/parent.py: what holds the socket while the server is replaced. A script stands in for the server."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli import parent

TIMES = 'import sys, os, signal\nlog = open(sys.argv[1], "a+"); log.write("x"); log.flush(); log.seek(0); n = len(log.read())\n'


@pytest.fixture
def listener() -> int:
    """Some descriptor that stays open."""
    return os.open("/dev/null", os.O_RDONLY)


def start(listener: int, folder: Path, server: str) -> subprocess.Popen[str]:
    """The parent of a server that is this script; ``n`` is how often it was started."""
    (folder / "server.py").write_text(TIMES + server)
    command = [sys.executable, str(folder / "server.py"), str(folder / "log")]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", parent.__file__, str(listener), *command],
        pass_fds=[listener],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("code", [0, 1, 2])
def test_an_orderly_end_is_its_own(listener: int, tmp_path: Path, code: int) -> None:
    """What the server ends with, the parent ends with; it is not started again."""
    running = start(listener, tmp_path, f"sys.exit({code})")
    running.communicate(timeout=30)
    assert (running.returncode, (tmp_path / "log").read_text()) == (code, "x")


def test_a_server_that_is_killed_is_started_again(listener: int, tmp_path: Path) -> None:
    """With the same socket, and said so."""
    running = start(
        listener,
        tmp_path,
        "os.fstat(int(sys.argv[sys.argv.index('--fd') + 1]))\nos.kill(os.getpid(), signal.SIGKILL) if n < 3 else sys.exit(0)",
    )
    _, told = running.communicate(timeout=30)
    assert (running.returncode, (tmp_path / "log").read_text()) == (0, "xxx")
    assert told.count("starting it again") == 2


def test_a_server_that_never_gets_to_work_is_given_up(listener: int, tmp_path: Path) -> None:
    """A broken installation is no loop for ever."""
    running = start(listener, tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    _, told = running.communicate(timeout=60)
    assert running.returncode == 1
    assert (tmp_path / "log").read_text() == "x" * parent.MAX_FAST
    assert "giving up" in told


def test_signals_go_on_to_the_server(listener: int, tmp_path: Path) -> None:
    """SIGHUP is a message, and SIGTERM the end: a server that dies of it is not started again."""
    running = start(
        listener,
        tmp_path,
        "signal.signal(signal.SIGHUP, lambda *_: print('again', flush=True))\nprint('up', flush=True)\nwhile True: signal.pause()",
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    running.send_signal(signal.SIGHUP)
    assert running.stdout.readline() == "again\n"
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=30)
    assert (running.returncode, (tmp_path / "log").read_text()) == (1, "x")


def test_the_server_learns_that_its_parent_is_gone(listener: int, tmp_path: Path) -> None:
    """Its end of the lifeline closes, however the parent went."""
    running = start(
        listener,
        tmp_path,
        "print(os.getpid(), flush=True)\nline = int(sys.argv[sys.argv.index('--lifeline') + 1])\n"
        "print('gone' if os.read(line, 1) == b'' else 'there', flush=True)",
    )
    assert running.stdout is not None
    running.stdout.readline()
    running.kill()
    assert running.stdout.readline() == "gone\n"
    running.communicate(timeout=30)
