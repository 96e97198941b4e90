"""``callbridge serve`` and ``worker`` before they begin."""

from pathlib import Path

import pytest

from bridge.cli import main


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
