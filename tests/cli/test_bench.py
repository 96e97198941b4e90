"""``callbridge bench``: what is run, what is printed, and with which exit code. (tests/bench has the measuring itself.)"""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bridge.bench import process
from bridge.bench import run as measuring
from bridge.bench.figures import Figures
from bridge.cli import main
from tests.bench.test_figures import GOOD, WAY

LOST = replace(GOOD, down=replace(WAY, lost=1))


@dataclass
class Load:
    """Of calls that are only counted."""

    troubles: list[str] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    ended: int = 0

    async def begin_many(self, calls: int) -> None:
        """They are there at once."""
        self.begun.append(calls)

    async def end_all(self) -> None:
        """They are over."""
        self.ended += 1


@dataclass
class Bench:
    """What was asked to be measured, and what comes of it."""

    load: Load = field(default_factory=Load)
    rest: int = 80_000_000
    shapes: list[Any] = field(default_factory=list)
    runs: list[tuple[int, float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    found: dict[int, Figures | Exception] = field(default_factory=dict)
    answers: list[float] | Exception = field(default_factory=lambda: [0.01, 0.02])

    @contextlib.asynccontextmanager
    async def rig(self, shape: Any) -> AsyncIterator["Bench"]:
        """In place of a bridge under load."""
        self.shapes.append(shape)
        yield self

    async def measure(self, _: Any, calls: int, seconds: float) -> Figures:
        """One row."""
        self.runs.append((calls, seconds))
        found = self.found.get(calls, replace(GOOD, calls=calls))
        if isinstance(found, Exception):
            raise found
        return found

    async def burst(self, _: Any, *, rate: float, seconds: float) -> list[float]:
        """How soon new calls were answered."""
        self.rates.append(rate)
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """In place of the real one; there are two cores."""
    made = Bench()
    for name in ("rig", "measure", "burst"):
        monkeypatch.setattr(measuring, name, getattr(made, name))
    monkeypatch.setattr(process, "cores", lambda: ({0}, {1}))
    return made


def test_each_number_of_calls_is_a_row(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Measured in turn on one bridge, for as long as was said."""
    assert main(["bench", "--calls", "2", "7", "--seconds", "3"]) == 0
    assert bench.runs == [(2, 3.0), (7, 3.0)]
    assert bench.shapes == [measuring.SHAPES["16k"]]
    assert bench.rates == []
    rows = [line.split()[:1] for line in capsys.readouterr().out.splitlines()]
    assert ["2"] in rows
    assert ["7"] in rows


def test_programs_get_json_lines_and_nothing_else(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a row."""
    assert main(["bench", "--calls", "2", "7", "--json", "--agent", "ulaw", "--rate", "5"]) == 0
    *rows, rush = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["calls"] for row in rows] == [2, 7]
    assert bench.shapes == [measuring.SHAPES["ulaw"]]
    assert (rush["rate"], rush["beside"], rush["calls"], rush["worst_ms"]) == (5.0, 7, 2, 20.0)


@pytest.mark.parametrize("wrong", [LOST, replace(GOOD, dropped=1), replace(GOOD, up=replace(WAY, wrong=2))])
def test_a_frame_lost_or_changed_or_a_call_dropped_is_exit_code_1(bench: Bench, wrong: Figures) -> None:
    """Whatever came after it: a speed counts for nothing where the sound is wrong."""
    bench.found[2] = wrong
    assert main(["bench", "--calls", "2", "7"]) == 1
    assert len(bench.runs) == 2


def test_more_calls_than_the_machine_carries_are_said(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """And the next row is measured all the same."""
    bench.found[900] = RuntimeError("12 calls did not come up")
    assert main(["bench", "--calls", "900", "2"]) == 1
    assert [calls for calls, _ in bench.runs] == [900, 2]
    assert "900 calls: 12 calls did not come up" in capsys.readouterr().err


def test_of_many_troubles_a_few_are_shown(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred lines would hide the table."""
    bench.load.troubles = [f"trouble {number}" for number in range(100)]
    main(["bench", "--calls", "2"])
    assert capsys.readouterr().err.count("trouble") == 3


def test_new_calls_beside_others_end_with_them(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside as many as the last row had; all are ended."""
    assert main(["bench", "--calls", "2", "7", "--rate", "5"]) == 0
    assert (bench.rates, bench.load.begun, bench.load.ended) == ([5.0], [7], 1)
    assert "at most 20.0 ms" in capsys.readouterr().out


@pytest.mark.parametrize("trouble", [True, False])
def test_new_calls_that_fail_are_exit_code_1(bench: Bench, trouble: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """One by one, or so that nothing can be measured; the others are ended either way."""
    if trouble:
        bench.load.troubles = ["no answer"]
    else:
        bench.answers = RuntimeError("nobody answers")
    assert main(["bench", "--calls", "2", "--rate", "5"]) == 1
    assert bench.load.ended == 1
    assert ("no answer" if trouble else "nobody answers") in capsys.readouterr().err


def test_one_core_for_both_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures are then of the bridge and the load together."""
    monkeypatch.setattr(process, "cores", lambda: None)
    assert main(["bench", "--calls", "2"]) == 0
    assert "one core" in capsys.readouterr().err


def test_a_load_that_was_late_itself_is_said(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """The delay is not the bridge's then."""
    bench.found[2] = replace(GOOD, late_s=0.012)
    assert main(["bench", "--calls", "2"]) == 0
    assert "up to 12 ms late" in capsys.readouterr().out


def test_without_numbers_the_whole_table_is_measured(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of agent, up to three hundred calls, and fifty new ones a second beside a hundred."""
    assert main(["bench", "--json"]) == 0
    assert bench.shapes == [measuring.SHAPES["16k"], measuring.SHAPES["24k"]]
    assert bench.runs == [(calls, 5.0) for calls in (1, 20, 50, 100, 200, 300)] * 2
    assert (bench.rates, bench.load.begun) == ([50.0] * 2, [100] * 2)
