"""The command ``callbridge``."""

import argparse
import sys
from importlib import import_module
from types import ModuleType

import pytest

from bridge.cli import COMMANDS, main
from bridge.errors import BridgeError, ConfigurationError, Mistake


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """``callbridge serve`` ends so."""

    def run(_args: argparse.Namespace) -> int:
        raise error

    module = ModuleType("failing")
    module.add_arguments = lambda _parser: None  # type: ignore[attr-defined]
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bridge.cli.serve", module)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 0, and all that belongs to it."""
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert f"callbridge {name}" in capsys.readouterr().out
    assert callable(import_module(COMMANDS[name][0]).run)


def test_without_a_command_there_is_help_and_it_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """On the error output: a script that reads the other gets nothing."""
    assert main([]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert all(name in told.err for name in COMMANDS)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers with points."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip().split(".")[0].isdigit()


def test_an_unknown_command_is_a_wrong_use() -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(["dance"])
    assert caught.value.code == 2


def test_mistakes_of_the_configuration_are_all_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line each, exit code 2."""
    mistakes = [Mistake(f"bridge.toml:{n}", "port", "is no port", "Use 1 to 65535.") for n in (3, 9)]
    failing(monkeypatch, ConfigurationError(mistakes))
    assert main(["serve"]) == 2
    err = capsys.readouterr().err
    assert "bridge.toml:3" in err
    assert "bridge.toml:9" in err


def test_a_failure_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a traceback, exit code 1."""
    failing(monkeypatch, BridgeError("It broke.", hint="Mend it."))
    assert main(["serve"]) == 1
    assert capsys.readouterr().err == "It broke. Mend it.\n"


def test_a_person_who_stops_it_gets_the_shells_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """130, as for any program that Ctrl-C ended."""
    failing(monkeypatch, KeyboardInterrupt())
    assert main(["serve"]) == 130
