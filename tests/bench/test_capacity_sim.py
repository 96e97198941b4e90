"""The simulation of many instances agrees with what is known, and loses nobody."""

import pytest

from bench.capacity_sim import Plan, Simulation, erlang_b, main


@pytest.mark.parametrize(("load", "servers", "share"), [(1.0, 1, 0.5), (2.0, 2, 0.4), (10.0, 10, 0.2146)])
def test_erlang_b(load: float, servers: int, share: float) -> None:
    """The formula gives the tabulated values."""
    assert erlang_b(load, servers) == pytest.approx(share, abs=1e-4)


def test_blocking_is_as_erlang_says() -> None:
    """Where callers want as much as there is, the share that is refused is the formula's."""
    plan = Plan(instances=5, max_calls=20, load=100.0, talk_s=20.0, hours=4.0)
    result = Simulation(plan).run()
    assert result.blocked / result.offered == pytest.approx(erlang_b(100.0, 100), rel=0.15)
    assert result.busiest == 20


def test_the_killed_ones_calls_go_on() -> None:
    """With room elsewhere every call of a killed instance is taken up and nobody is refused."""
    plan = Plan(instances=10, max_calls=20, load=100.0, talk_s=60.0, hours=1.0, kills=2)
    result = Simulation(plan).run()
    assert result.blocked == 0
    assert 5 <= result.resumed <= 35
    assert result.over_limit <= 0


def test_a_rolling_restart_blocks_nobody() -> None:
    """One instance after another drains, and the others have room."""
    result = Simulation(Plan(instances=4, max_calls=50, load=60.0, talk_s=30.0, hours=2.0, roll=True)).run()
    assert result.blocked == 0
    assert result.roll_minutes > 0


@pytest.mark.parametrize("wrong", [["--kills", "101"], ["--load", "0"], ["--balance", "random"], ["--hours", "-1"]])
def test_what_cannot_be_simulated_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In words, with exit code 2, and not by a traceback in mid-run."""
    with pytest.raises(SystemExit) as refused:
        main(wrong)
    assert refused.value.code == 2
    assert "error:" in capsys.readouterr().err
