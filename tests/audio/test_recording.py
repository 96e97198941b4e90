"""What a tape holds of both sides of a call."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.recording import RATE, SILENCE, SLACK, Tape

A, B, C = b"\x10" * RATE, b"\x20" * RATE, b"\x30" * RATE  # a second each


def test_both_sides_lie_on_one_clock() -> None:
    """The caller's sound lies where it came in, the agent's where the phone began to play it."""
    tape = Tape()
    tape.caller(A[:160], 1.02)
    tape.agent(B[:800], 2.0)
    caller, agent = tape.take(3.0, all_=True)
    assert len(caller) == len(agent) == 3 * RATE
    assert caller == (SILENCE * RATE + A[:160]).ljust(3 * RATE, SILENCE)
    assert agent == (SILENCE * 2 * RATE + B[:800]).ljust(3 * RATE, SILENCE)


def test_what_is_sent_ahead_is_heard_one_after_the_other() -> None:
    """Sound that is sent faster than it plays queues up at the phone."""
    tape = Tape()
    tape.agent(A, 0.0)
    tape.agent(B, 0.1)
    assert tape.take(2.0, all_=True)[1] == A + B


def test_what_was_cleared_was_never_heard() -> None:
    """After a clear the agent's side is silent from that moment, and goes on with what is sent later."""
    tape = Tape()
    tape.agent(A + B, 0.0)
    tape.clear(0.5)
    tape.agent(C, 1.0)
    assert tape.take(2.0, all_=True)[1] == A[: RATE // 2] + SILENCE * (RATE // 2) + C


def test_a_pause_leaves_silence_of_the_same_length() -> None:
    """Between pause and resume neither side is kept, not even what was queued before, and the clock goes on."""
    tape = Tape()
    tape.agent(A + B + C, 0.0)
    tape.pause(1.0)
    first = tape.take(2.5, all_=True)[1]
    tape.resume(2.5)
    assert first + tape.take(3.0, all_=True)[1] == A + SILENCE * (RATE + RATE // 2) + C[RATE // 2 :]


def test_late_sound_of_the_caller_is_kept_in_order() -> None:
    """A stall of the network shorter than the tape's lag costs no sample and moves none."""
    tape = Tape()
    tape.caller(A[:160], 0.02)
    for _ in range(10):
        tape.caller(B[:160], 0.22)
    assert tape.take(0.22, all_=True)[0] == A[:160] + B[:1600]


def test_the_callers_last_sound_is_kept_though_it_ran_ahead() -> None:
    """A burst just before the end is on the tape in full."""
    tape = Tape()
    for _ in range(10):
        tape.caller(A[:160], 0.1)
    caller, agent = tape.take(0.1, all_=True)
    assert caller.endswith(A[:1600])
    assert len(caller) == len(agent)


@given(
    st.lists(
        st.tuples(st.sampled_from(["caller", "agent", "clear", "take", "pause", "resume"]), st.floats(0, 0.5)),
        max_size=60,
    )
)
def test_whatever_happens_both_sides_are_equally_long(steps: list[tuple[str, float]]) -> None:
    """In any order of events what is taken is two sides of exactly the time that has gone by, and of what the caller's sound
    has run ahead of it.
    """
    tape, now, total, spoke = Tape(), 0.0, 0, False
    for what, later in steps:
        now += later
        if what == "take":
            caller, agent = tape.take(now)
            assert len(caller) == len(agent)
            total += len(caller)
        elif what in ("caller", "agent"):
            getattr(tape, what)(A[:4000], now)
            spoke = spoke or what == "caller"
        else:
            getattr(tape, what)(now)
    caller, agent = tape.take(now, all_=True)
    assert len(caller) == len(agent)
    assert 0 <= total + len(caller) - int(now * RATE) <= (SLACK if spoke else 0)
