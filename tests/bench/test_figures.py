"""What one run found."""

from dataclasses import replace

import pytest

from bridge.bench.figures import HEADER, Figures, Way, quantile

WAY = Way(frames=100, lost=0, wrong=0, unreadable=0, p50=0.001, p99=0.005, worst=0.01)
GOOD = Figures(
    calls=2,
    agent="16k",
    seconds=5.0,
    cpu_per_call_s=0.001,
    kernel=0.5,
    core=0.1,
    up=WAY,
    down=WAY,
    rss_rest=1_000_000,
    rss=1_200_000,
    worst_collection_s=0.001,
    late_s=0.0,
    generator=0.1,
    dropped=0,
    answers=(0.01, 0.02),
)


def test_a_run_without_a_fault_is_carried() -> None:
    """Correct, and quick each way."""
    assert GOOD.correct
    assert GOOD.carried
    assert GOOD.per_call == 100_000


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("fault", [{"lost": 1}, {"wrong": 1}, {"frames": 0}])
def test_one_fault_in_one_direction_spoils_a_run(way: str, fault: dict[str, int]) -> None:
    """No sound at all is a fault too."""
    found = replace(GOOD, **{way: replace(WAY, **fault)})  # type: ignore[arg-type] - by name
    assert not found.correct
    assert not found.carried


def test_a_dropped_call_spoils_a_run() -> None:
    """However well the others did."""
    assert not replace(GOOD, dropped=1).correct


def test_a_slow_run_is_correct_but_not_carried() -> None:
    """A p99 of 20 ms in one direction is too much."""
    slow = replace(GOOD, down=replace(WAY, p99=0.02))
    assert slow.correct
    assert not slow.carried


def test_both_kinds_of_output_tell_the_same() -> None:
    """Losses of both ways are added up."""
    found = replace(GOOD, up=replace(WAY, lost=3), down=replace(WAY, lost=4, wrong=5))
    told = found.json()
    assert (told["lost"], told["wrong"], told["carried"], told["kb_per_call"]) == (7, 5, False, 100.0)
    assert told["up_ms"] == [1.0, 5.0, 10.0]
    assert found.row().split()[:2] == ["2", "16k"]
    assert len(found.row().split()) == 15
    assert HEADER.startswith("calls")


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([], 0.5, 0.0),
        ([3.0], 0.99, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 3.0),
        ([1.0, 2.0], 1.0, 2.0),
        ([5.0, 1.0], 0, 1.0),
    ],
)
def test_a_quantile_is_one_of_the_values(values: list[float], share: float, found: float) -> None:
    """In whatever order they came; of nothing it is 0."""
    assert quantile(values, share) == found
