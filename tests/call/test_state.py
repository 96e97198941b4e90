"""bridge/call/state.py: what is known of a call."""

from bridge.call import events as e
from bridge.call.interruption import InterruptionPolicy
from bridge.call.state import MAX_HELD, Call
from tests.call.stage import LOUD, plan, record


def call(**more: object) -> Call:
    """A call that was just offered."""
    return Call(plan(**more), record(), InterruptionPolicy())  # type: ignore[arg-type]


def test_of_what_waits_for_an_agent_the_newest_is_kept() -> None:
    """The caller's sound is kept for 5 s; beyond that the oldest goes."""
    found = call()
    for number in range(MAX_HELD // 160 + 10):
        found.hold(bytes([number % 256]) * 160)
    assert found.held_bytes <= MAX_HELD
    assert found.held[0][0] == 10


def test_a_prompt_that_nobody_recorded_is_not_said() -> None:
    """A missing clip is no reason to fail."""
    found = call(prompts={})
    assert found.say("one_moment", 0.0) == []
    assert found.record.events == []


def test_what_was_sent_gets_a_mark_and_a_watch() -> None:
    """Behind sound comes a mark; behind a mark, the timer that notices its loss; each once."""
    found = call()
    found.playback.open(0.0)
    found.playback.offer(b"\x55" * 800, 1, 0.0)
    assert [order.name for order in found.watch(0.0) if isinstance(order, e.StartTimer)] == ["mark"]
    assert found.watch(0.0) == []
    found.mark_timer = False
    found.playback.mark(0.2)
    assert [order.name for order in found.watch(0.2) if isinstance(order, e.StartTimer)] == ["overdue"]
    assert found.watch(0.2) == []


def test_both_sides_levels_can_be_looked_at() -> None:
    """The caller's by what came in, the agent's by what the phone plays now, not by what was sent ahead."""
    found = call()
    found.playback.open(0.0)
    found.playback.offer(LOUD * 8000, 1, 0.0)
    found.listening.frame(1234.0, 0.02, 0.1)
    assert found.levels(0.5) == (1234.0, 5000.0)
    found.playback.clear(0.6)
    assert found.levels(0.6)[0] == 0.0
    assert found.playback.sounds(0.6) == b""
