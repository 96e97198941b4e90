"""bridge/cli/clinic.py: the worked example."""

from pathlib import Path

import pytest

from bridge.cli import main


@pytest.mark.slow
def test_the_clinic_books_an_appointment_by_phone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the end of the call the booking is in the calendar's own database."""
    assert main(["demo", "clinic", "--once", "--port", "0", "--out", str(tmp_path / "heard.wav")]) == 0
    told = capsys.readouterr().out
    assert "'booked': True" in told
    assert "10:30" in told.split("In the calendar's database:")[1]
