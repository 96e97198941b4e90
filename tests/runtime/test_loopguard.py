"""bridge/runtime/loopguard.py."""

from bridge.runtime.loopguard import HOUR_S, LoopGuard

PERSON = "+15550123456"


def conversation(guard: LoopGuard, *, pause: float, count: int, text: str = "ok") -> int:
    """How many of so many messages are answered, each so many seconds after the answer to the one before."""
    answered = 0
    now = 1000.0
    for number in range(count):
        if guard.admit(PERSON, f"{text} {number}", now):
            answered += 1
            now += 1.0
            guard.replied(PERSON, f"reply {number}", now)
        now += pause
    return answered


def test_two_machines_exchange_no_more_than_three_messages() -> None:
    """Whoever answers faster than a person can read is not answered any more."""
    assert conversation(LoopGuard(60), pause=0.1, count=100) == 3


def test_a_person_goes_on() -> None:
    """At a person's pace there is no end but the limit of the hour."""
    assert conversation(LoopGuard(60), pause=20.0, count=50) == 50
    assert conversation(LoopGuard(10), pause=20.0, count=50) == 10


def test_an_echo_is_a_machine() -> None:
    """However slow it is: what comes back as it was sent is not answered for ever."""
    guard = LoopGuard(1000)
    now, answered = 0.0, 0
    for _ in range(20):
        if guard.admit(PERSON, "Hello!", now):
            answered += 1
            guard.replied(PERSON, "Hello!", now)
        now += 60
    assert answered == 3


def test_the_silence_ends() -> None:
    """After an hour the number is listened to again."""
    guard = LoopGuard(60)
    conversation(guard, pause=0.1, count=10)
    assert not guard.admit(PERSON, "x", 1100.0)
    assert guard.admit(PERSON, "x", 1100.0 + HOUR_S)
