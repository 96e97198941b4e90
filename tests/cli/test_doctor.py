"""``callbridge doctor`` as a command."""

import json
from pathlib import Path

import pytest

from bridge.cli import main

DEMO = '[agents.demo]\nprovider = "demo"\n[[lines]]\nnumber = "*"\nagent = "demo"\n'


def file(folder: Path, text: str) -> str:
    """A configuration."""
    path = folder / "bridge.toml"
    path.write_text(f'database_url = "sqlite:///{folder}/calls.db"\n{text}')
    return str(path)


def test_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings leave the exit code 0; every line begins with its level."""
    assert main(["doctor", "--config", file(tmp_path, DEMO)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in printed} == {"ok", "warn"}
    assert not (tmp_path / "calls.db").exists()


def test_something_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure makes the exit code 1, and --json says which."""
    text = DEMO.replace("[agents.demo]", 'public_url = "http://127.0.0.1:9"\n[agents.demo]')
    text += f'[carriers.twilio]\naccount_sid = "AC{"0a" * 16}"\nauth_token = "{"0b1c" * 8}"\napi_base_url = "http://127.0.0.1:9"\n'
    assert main(["doctor", "--json", "--config", file(tmp_path, text)]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {each["subject"] for each in findings if each["level"] == "fail"} >= {
        "carrier",
        "public_url",
        "media socket",
    }


def test_every_mistake_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong configuration gives a line for every mistake and the exit code 2."""
    path = file(tmp_path, 'max_calls = "many"\nnonsense = 1\n' + DEMO.replace('agent = "demo"', 'agent = "dmeo"'))
    assert main(["doctor", "--config", path]) == 2
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3
    assert all(line.startswith("FAIL  configuration: ") and " -> " in line for line in printed)


@pytest.mark.parametrize("url", ["nonsense", "ftp://a.example/x", "https://", "http://127.0.0.1:9/twilio/voice"])
def test_a_fallback_that_is_none(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no web address, or leads to the bridge that is away, is refused before anything is set."""
    text = DEMO.replace("[agents.demo]", 'public_url = "http://127.0.0.1:9"\n[agents.demo]')
    assert main(["doctor", "--fix", "--fallback-url", url, "--config", file(tmp_path, text)]) == 2
    assert "--fallback-url" in capsys.readouterr().err


def test_used_wrongly(tmp_path: Path) -> None:
    """--fallback-url without --fix is a mistake of whoever typed it."""
    assert main(["doctor", "--fallback-url", "https://a.example", "--config", file(tmp_path, DEMO)]) == 2
