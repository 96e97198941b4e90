"""``callbridge serve`` and ``worker`` before they begin."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli import main
from tests.support.house import ACCOUNT, TOKEN


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_without_a_carrier_there_is_nothing_to_serve(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A configuration of the demo agent alone is refused with what is missing, and with the command that needs no carrier."""
    file = tmp_path / "bridge.toml"
    file.write_text('[agents.demo]\nprovider = "demo"\n[[lines]]\nnumber = "*"\nagent = "demo"\n')
    assert main([command, "--config", str(file)]) == 2
    said = capsys.readouterr().err
    assert "carriers.twilio: is missing" in said
    assert "callbridge demo" in said


CONFIG = f"""
public_url = "https://bridge.example.com"
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
[agents.demo]
provider = "demo"
[[lines]]
number = "*"
agent = "demo"
"""


@pytest.mark.parametrize(
    ("host", "said"),
    [("203.0.113.9", "203.0.113.9:0 cannot be listened on"), ("host.invalid", "host.invalid:0 cannot be listened on")],
)
def test_where_nobody_can_listen_is_told_at_once(
    host: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address of another machine, or a name of none, is not taken for one that is in use."""
    file = tmp_path / "bridge.toml"
    file.write_text(CONFIG)
    assert main(["serve", "--config", str(file), "--host", host, "--port", "0"]) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "--host" in told


def test_a_port_that_is_taken_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it has not become free for a while."""
    monkeypatch.setattr("bridge.cli.serve.BIND_S", 0.0)
    file = tmp_path / "bridge.toml"
    file.write_text(CONFIG)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--config", str(file), "--port", str(port)]) == 1
    assert f"127.0.0.1:{port} is in use" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_hint_to_read_again_does_not_end_what_is_just_starting(command: str, tmp_path: Path) -> None:
    """Whoever changes the configuration of a service that starts need not wait for it: SIGHUP's default would kill it."""
    file = tmp_path / "bridge.toml"
    os.mkfifo(file)
    process = subprocess.Popen([sys.executable, "-m", "bridge", command, "--config", str(file)], stderr=subprocess.PIPE)
    try:
        with file.open("w") as config:  # opens when the process reads it
            process.send_signal(signal.SIGHUP)
            config.write("x = [")
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 2
    assert b"is not valid TOML" in said
