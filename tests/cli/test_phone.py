"""``callbridge phone``: with whose credentials it calls. (tests/phone has the call itself.)"""

import argparse
from pathlib import Path
from typing import Any

import pytest

from bridge.agents.demo import voice
from bridge.cli import main
from bridge.errors import ConfigurationError
from bridge.phone import command
from tests.support.house import ACCOUNT, PUBLIC, TOKEN

CONFIG = f"""
public_url = "{PUBLIC}"
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = ["{TOKEN}", "{"1" * 32}"]
"""


class Voice:
    """Says nothing; remembers that it was closed."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    async def speak(self, text: str, rate: int = 8000) -> Any:
        """Nobody asks for it here."""
        raise AssertionError(text)

    def close(self) -> None:
        """It was let go."""
        self._log.append("closed")


class Placed:
    """What the call would have been placed with."""

    def __init__(self) -> None:
        self.args = argparse.Namespace()
        self.voice: list[str] = []
        self.fails: Exception | None = None

    def run(self, args: argparse.Namespace, *, speak: Any) -> int:
        """In place of the call."""
        assert callable(speak)
        self.args = args
        if self.fails is not None:
            raise self.fails
        return 3


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Placed:
    """In a folder without a configuration, and an environment without an account."""
    made = Placed()
    monkeypatch.chdir(tmp_path)
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "BRIDGE_CONFIG", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(command, "run", made.run)
    monkeypatch.setattr(voice, "Voice", lambda *_: Voice(made.voice))
    return made


def test_it_signs_as_the_bridge_of_the_configuration_expects(placed: Placed, tmp_path: Path) -> None:
    """With its account, its first token and over its public address; the command's own exit code comes back."""
    (tmp_path / "my.toml").write_text(CONFIG)
    (tmp_path / "my.toml").chmod(0o600)
    assert main(["phone", "--config", "my.toml"]) == 3
    assert (placed.args.account_sid, placed.args.auth_token) == (ACCOUNT, TOKEN)
    assert placed.args.public_url == PUBLIC


def test_what_is_said_on_the_command_line_wins(placed: Placed, tmp_path: Path) -> None:
    """A token of one's own means another bridge: nothing is taken from the configuration. An address of one's own stands."""
    (tmp_path / "my.toml").write_text(CONFIG)
    (tmp_path / "my.toml").chmod(0o600)
    assert main(["phone", "--config", "my.toml", "--auth-token", "f" * 32]) == 3
    assert placed.args.auth_token == "f" * 32
    assert placed.args.account_sid != ACCOUNT
    assert placed.args.public_url is None
    assert main(["phone", "--config", "my.toml", "--public-url", "https://other.example.com"]) == 3
    assert (placed.args.auth_token, placed.args.public_url) == (TOKEN, "https://other.example.com")


def test_without_a_configuration_the_options_alone_count(placed: Placed) -> None:
    """The bridge may run on another machine."""
    assert main(["phone"]) == 3
    assert placed.args.auth_token == ""


def test_a_configuration_that_was_named_must_be_there(placed: Placed, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is called with other credentials than those that were meant."""
    assert main(["phone", "--config", "nowhere.toml"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err
    assert "url" not in placed.args


def test_a_configuration_without_a_carrier_gives_none(placed: Placed, tmp_path: Path) -> None:
    """There is no token in it to sign with."""
    (tmp_path / "my.toml").write_text(f'public_url = "{PUBLIC}"\n')
    assert main(["phone", "--config", "my.toml"]) == 3
    assert placed.args.auth_token == ""


@pytest.mark.parametrize("fails", [None, ConfigurationError([])])
def test_the_voice_is_let_go_however_it_ends(placed: Placed, fails: Exception | None) -> None:
    """It may be a process."""
    placed.fails = fails
    main(["phone", "--auth-token", "f" * 32])
    assert placed.voice == ["closed"]
