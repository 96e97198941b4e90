"""Capacity on paper is what the measured figures give, and nothing else."""

import re
from pathlib import Path

import pytest

from bench import capacity
from bench.capacity import Costs, main, measured, tables

COSTS = Costs((2.0, 3.0), (100.0, 200.0), 150.0)


def cells(text: str, row: str) -> list[str]:
    """A row of a table, without its name."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {row}")]
    return [each.strip() for each in line.strip("|").split("|")[1:]]


def test_the_page_is_what_the_figures_give() -> None:
    """docs/capacity.md has the tables that follow from docs/performance.md: python -m bench.capacity writes them anew."""
    assert main(["--check"]) == 0


def test_a_figure_that_changes_makes_the_page_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measured figures are the only place: another CPU there, and the page no longer agrees, until it is written anew."""
    changed = re.sub(r"(\| the same with 300 calls \|[^|]*\|) [\d.]+ to", r"\1 1.25 to", capacity.MEASURED.read_text())
    measured_page, page = tmp_path / "performance.md", tmp_path / "capacity.md"
    measured_page.write_text(changed)
    page.write_text(capacity.PAGE.read_text())
    monkeypatch.setattr(capacity, "MEASURED", measured_page)
    monkeypatch.setattr(capacity, "PAGE", page)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert "1.25 to" in page.read_text()


def test_a_row_that_is_gone_is_named() -> None:
    """Whoever words the measurements otherwise is told which row is missed."""
    with pytest.raises(ValueError, match="memory of a call"):
        measured(capacity.MEASURED.read_text().replace("| memory of a call |", "| of a call |"))


def test_what_is_needed_follows_from_what_a_call_costs() -> None:
    """Ten times the calls need ten times the cores; twice the cost of a call, twice the cores."""
    text = tables(COSTS)
    assert cells(text, "cores for sound") == ["2 to 3", "20 to 30", "200 to 300"]
    assert cells(text, "instances of 200") == ["6", "56", "556"]
    assert cells(text, "beginning") == ["5.56", "55.6", "556"]
    assert cells(text, "memory, GB") == ["1.0 to 1.1", "9.4 to 10.4", "93.4 to 103.4"]
    assert cells(text, "Kura keys") == ["6", "56", "556"]
    assert cells(tables(Costs((4.0, 6.0), (100.0, 200.0), 150.0)), "cores for sound")[0] == "4 to 6"


def test_figures_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator's own figures give the tables on the screen and leave the page alone."""
    before = capacity.PAGE.read_text()
    assert main(["--cpu-ms", "1", "--call-kb", "50", "--process-mb", "100"]) == 0
    assert cells(capsys.readouterr().out, "cores for sound")[0] == "1 to 1"
    assert capacity.PAGE.read_text() == before
