"""When a report that the caller speaks is an interruption."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.interruption import BargeIn, InterruptionPolicy, Source, Verdict


def speaking(barge_in: str = "both", *, sensitivity: str = "medium", guard_ms: int = 0) -> InterruptionPolicy:
    """A policy whose agent began to speak at 0."""
    policy = InterruptionPolicy(barge_in, sensitivity=sensitivity, guard_ms=guard_ms)
    policy.sounding(0.0, unplayed=False)
    return policy


@pytest.mark.parametrize(
    ("barge_in", "heeded"),
    [
        ("agent", {Source.AGENT}),
        ("local", {Source.SPEECH, Source.TEXT}),
        ("both", {Source.AGENT, Source.SPEECH, Source.TEXT}),
        ("off", set()),
    ],
)
def test_each_mode_heeds_its_sources(barge_in: str, heeded: set[Source]) -> None:
    """``agent`` ignores the bridge's ear, ``local`` the agent's event, ``off`` everything."""
    for source in Source:
        verdict = speaking(barge_in).decide(source, 5.0, unplayed=True, text="wait a moment")
        assert verdict is (Verdict.ACCEPTED if source in heeded else Verdict.OFF)
        assert bool(verdict) is (source in heeded)


def test_nothing_unplayed_is_no_interruption() -> None:
    """A caller who speaks while the agent is silent takes a turn."""
    policy = speaking()
    assert policy.decide(Source.SPEECH, 5.0, unplayed=False) is Verdict.UNHEARD
    assert not policy.listening(5.0, unplayed=False)


def test_one_turn_is_interrupted_once() -> None:
    """Whoever is first wins; the others' reports of the same interruption come to nothing."""
    policy = speaking()
    assert policy.decide(Source.SPEECH, 2.0, unplayed=True)
    assert policy.decide(Source.AGENT, 2.3, unplayed=True) is Verdict.REPEATED
    assert policy.decide(Source.TEXT, 2.6, unplayed=False, text="wait") is Verdict.REPEATED
    assert not policy.listening(2.7, unplayed=True)


def test_new_sound_of_the_agent_can_be_interrupted_again() -> None:
    """What the agent says after an interruption is a turn of its own."""
    policy = speaking()
    policy.decide(Source.SPEECH, 2.0, unplayed=True)
    policy.sounding(3.0, unplayed=False)
    assert policy.listening(3.0, unplayed=True)
    assert policy.decide(Source.AGENT, 3.5, unplayed=True) is Verdict.ACCEPTED


def test_a_rejected_report_does_not_use_up_the_turn() -> None:
    """After a false alarm the same turn can still be interrupted."""
    policy = speaking("local")
    assert not policy.decide(Source.AGENT, 1.0, unplayed=True)
    assert policy.decide(Source.SPEECH, 1.1, unplayed=True)


def test_the_greeting_is_guarded() -> None:
    """For the guard time after the first sound of the call nothing interrupts, and only then is the caller listened to."""
    policy = InterruptionPolicy("both", guard_ms=1500)
    policy.sounding(10.0, unplayed=False)
    policy.sounding(10.5, unplayed=True)
    for source in Source:
        assert policy.decide(source, 11.4, unplayed=True, text="hello there") is Verdict.GUARD
    assert not policy.listening(11.4, unplayed=True)
    assert policy.listening(11.5, unplayed=True)
    assert policy.decide(Source.SPEECH, 11.5, unplayed=True)


def test_later_turns_are_not_guarded() -> None:
    """The guard is for the start of the greeting only."""
    policy = speaking(guard_ms=1000)
    policy.sounding(20.0, unplayed=False)
    assert policy.decide(Source.SPEECH, 20.1, unplayed=True)


def test_late_transcripts_are_not_taken_for_interruptions() -> None:
    """Words transcribed just after the agent began were spoken before it."""
    policy = speaking()
    policy.sounding(30.0, unplayed=False)
    policy.sounding(30.3, unplayed=True)
    assert policy.decide(Source.TEXT, 30.6, unplayed=True, text="book me a table") is Verdict.LATE
    assert policy.decide(Source.TEXT, 30.71, unplayed=True, text="no, wait") is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("sensitivity", "text", "verdict"),
    [
        ("medium", "", Verdict.FEW),
        ("medium", " ... ", Verdict.FEW),
        ("medium", "stop", Verdict.ACCEPTED),
        ("low", "mhm.", Verdict.FEW),
        ("low", "no, wait", Verdict.ACCEPTED),
        ("low", "等一下吧", Verdict.ACCEPTED),
        ("low", "嗯", Verdict.FEW),
    ],
)
def test_words_must_be_words(sensitivity: str, text: str, verdict: Verdict) -> None:
    """An empty transcript is no report; at low sensitivity neither is a single word."""
    assert speaking(sensitivity=sensitivity).decide(Source.TEXT, 9.0, unplayed=True, text=text) is verdict


def test_only_modes_that_hear_need_a_detector() -> None:
    """Nothing is listened to where the bridge's own ear does not count."""
    assert [InterruptionPolicy(mode).hears for mode in BargeIn] == [False, True, True, False]
    assert not speaking("agent").listening(1.0, unplayed=True)


def test_the_account_counts_everything_by_source() -> None:
    """Accepted and rejected reports are told apart for each source, and nothing else is told."""
    policy = speaking()
    policy.decide(Source.SPEECH, 1.0, unplayed=False)
    policy.decide(Source.SPEECH, 2.0, unplayed=True)
    policy.decide(Source.AGENT, 2.1, unplayed=True)
    policy.decide(Source.AGENT, 2.2, unplayed=True)
    assert policy.account() == {
        "speech": {"nothing_unplayed": 1, "accepted": 1},
        "agent": {"repeated": 2},
    }
    assert InterruptionPolicy().account() == {}


@pytest.mark.parametrize("wrong", [{"barge_in": "always"}, {"sensitivity": "loud"}, {"guard_ms": -1}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """Unknown modes and sensitivities and a negative guard are errors."""
    with pytest.raises(ValueError):
        InterruptionPolicy(**wrong)  # type: ignore[arg-type]


@given(
    st.sampled_from(["agent", "local", "both", "off"]),
    st.lists(st.tuples(st.sampled_from([None, *Source]), st.booleans(), st.floats(0, 3)), max_size=40),
)
def test_never_two_interruptions_without_new_sound(
    barge_in: str, story: list[tuple[Source | None, bool, float]]
) -> None:
    """Whatever is reported in whatever order, between two accepted ones the agent has sounded, and all are counted."""
    policy, now, open_turn, decided = InterruptionPolicy(barge_in), 0.0, True, 0
    for source, unplayed, pause in story:
        now += pause
        if source is None:
            policy.sounding(now, unplayed=unplayed)
            open_turn = True
            continue
        decided += 1
        accepted = policy.decide(source, now, unplayed=unplayed, text="wait please")
        if accepted:
            assert open_turn
            assert unplayed
            open_turn = False
    assert sum(count for counts in policy.account().values() for count in counts.values()) == decided


def test_a_settled_turn_need_not_be_told_of_its_sound_again() -> None:
    """While it is unplayed more sound of it changes nothing; the first sound, and one after an interruption, does."""
    policy = InterruptionPolicy("both")
    assert not policy.settled
    policy.sounding(0.0, unplayed=False)
    assert policy.settled
    assert policy.decide(Source.AGENT, 1.0, unplayed=True)
    assert not policy.settled
    policy.sounding(1.5, unplayed=True)
    assert policy.settled
    assert policy.decide(Source.AGENT, 2.0, unplayed=True)
