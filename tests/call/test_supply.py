"""Does an agent's sound keep up with its own speech?"""

import pytest

from bridge.call import events as e
from bridge.call.supply import Supply
from bridge.errors import Reason
from tests.call.stage import LOUD, Stage


def fed(supply: Supply, *, seconds: float, speed: float, chunk: float = 0.1, now: float = 0.0) -> tuple[bool, float]:
    """``seconds`` of one turn at ``speed``: whether it starved, and when that was, or the end."""
    until = now + seconds
    while now < until:
        if supply.arrived(chunk, 1, now):
            return True, now
        now += chunk / speed
    return False, now


@pytest.mark.parametrize("speed", [0.55, 0.75, 1.0, 4.0])
def test_an_agent_that_is_only_a_little_slow_is_kept(speed: float) -> None:
    """Gaps, and all of it is heard."""
    supply = Supply()
    assert not fed(supply, seconds=30.0, speed=speed)[0]
    assert (supply.underruns > 0) is (speed < 1.0)


@pytest.mark.parametrize(("speed", "chunk"), [(0.45, 0.1), (0.3, 0.1), (0.1, 0.1), (0.3, 0.02), (0.4, 0.5)])
def test_an_agent_of_whose_speech_more_than_half_is_missing_is_given_up(speed: float, chunk: float) -> None:
    """After ten seconds of it, and a chunk."""
    starved, at = fed(Supply(), seconds=30.0, speed=speed, chunk=chunk)
    assert starved
    assert 10.0 <= at < 10.0 + 2 * chunk / speed


def test_one_that_becomes_slow_is_given_up_ten_seconds_later() -> None:
    """What went well before does not count for ever."""
    supply = Supply()
    _, now = fed(supply, seconds=20.0, speed=1.0)
    starved, at = fed(supply, seconds=30.0, speed=0.25, now=now)
    assert starved
    assert 5.0 <= at - now <= 11.0


def test_a_pause_and_a_new_turn_are_no_gaps() -> None:
    """Who says a word every two seconds speaks slowly; who answers again begins anew."""
    supply = Supply()
    for number in range(20):
        assert not supply.arrived(0.3, 1, number * 2.0)
    for number in range(200):
        assert not supply.arrived(0.05, 2 + number // 50, 100.0 + number * 0.15)
    assert supply.underruns < 200


def test_sound_that_was_sent_ahead_is_no_gap() -> None:
    """A burst of eight seconds, and the next one when it has been played."""
    supply = Supply()
    for number in range(10):
        assert not supply.arrived(8.0, 1, number * 8.0)
    assert supply.underruns == 0


def talking(agents: tuple[str, ...] = ("support",)) -> Stage:
    """A call whose agent speaks."""
    stage = Stage(agents)
    return stage.connected()


def test_a_starved_caller_gets_another_agent() -> None:
    """agent_stalled: the bridging line, and the next one; what was heard until then stands."""
    stage = talking(("support", "booking"))
    while not stage.sent(e.DropAgent) and stage.now < 30.0:
        stage.tell(e.AgentAudio(LOUD * 800))
        stage.wait(0.3)
    assert 10.0 <= stage.now < 11.0
    assert stage.sent(e.ConnectAgent)
    lost = [event for event in stage.record.public()["events"] if event["type"] == "agent_lost"]
    assert [event["reason"] for event in lost] == [Reason.AGENT_STALLED]


def test_an_agent_at_half_its_speed_is_heard_to_the_end_and_its_gaps_are_counted() -> None:
    """Nothing is lost by waiting."""
    stage = talking()
    for _ in range(60):
        stage.tell(e.AgentAudio(LOUD * 800))
        stage.wait(0.19)
    stage.wait(1.0)
    stage.tell(e.AgentClosed(1000))
    stage.wait(5.0)
    stage.tell(e.PhoneClosed(orderly=True))
    stage.wait(5.0)
    assert stage.reason is Reason.AGENT_HANGUP
    assert stage.record.detail["counts"]["underruns"] == 59
