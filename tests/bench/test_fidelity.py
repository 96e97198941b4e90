"""The table that is shown to users."""

import pytest

from bench import fidelity


def test_the_table_shows_what_the_sound_is_promised_to_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Our own rows keep every promise about sound; what the others do stands beside them."""
    monkeypatch.setattr(fidelity, "FRAMES", 1)
    monkeypatch.setattr(fidelity, "ROUNDS", 1)
    assert fidelity.main() == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("bridge")]
    assert len(lines) >= 2
    for line in lines:
        *_, image, alias, edge, delay, missing = line.split()
        assert float(image) < -60
        assert float(alias) < -60
        assert abs(float(edge)) < 0.1
        assert float(delay) <= 2.0
        assert int(missing) == 0
