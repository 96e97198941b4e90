"""bridge/call/conversation.py: sound, texts, and one speaking over the other."""

import pytest

from bridge.call import events as e
from bridge.errors import Reason
from tests.call.stage import Stage, opened, ready


def test_the_agents_sound_goes_out_as_it_comes() -> None:
    """In its own chunks, with a mark to follow."""
    stage = Stage().connected()
    orders = stage.tell(e.AgentAudio(b"\x55" * 123))
    assert orders == [e.PlayAudio(b"\x55" * 123), e.StartTimer("mark", 0.2)]


def test_an_interruption_clears_before_anything_else() -> None:
    """The first order is for the phone."""
    stage = Stage().connected()
    stage.says(5.0)
    orders = stage.tell(e.AgentInterrupted())
    assert orders[0] == e.ClearAudio()


def test_an_interruption_clears_though_the_agent_has_finished_sending() -> None:
    """What is queued at the carrier outlives the turn."""
    stage = Stage().connected()
    stage.says(5.0)
    stage.tell(e.AgentTurnComplete())
    stage.wait(1.0)
    assert e.ClearAudio() in stage.tell(e.AgentInterrupted())


def test_a_text_whose_sound_never_came_was_not_heard() -> None:
    """The text comes before its sound: cut in between, nothing of it was heard, and what follows is another turn."""
    stage = Stage().connected()
    stage.tell(e.AgentText("Never heard.", final=True))
    stage.tell(e.AgentInterrupted())
    stage.tell(e.CallerText("Wait.", final=True), e.AgentText("Yes?", final=True))
    stage.says(0.5)
    turns = [(turn.role, turn.text, turn.heard, turn.interrupted) for turn in stage.record.turns]
    assert turns == [
        ("agent", "Never heard.", "", True),
        ("caller", "Wait.", None, False),
        ("agent", "Yes?", None, False),
    ]
    assert len(stage.played) == 4000


def test_a_turn_that_was_heard_out_is_not_cut_by_an_interruption_after_it() -> None:
    """Its sound was played to the end."""
    stage = Stage().connected()
    stage.says(0.5, text="All of it.")
    stage.wait(1.0)
    stage.tell(e.AgentInterrupted())
    assert [(turn.heard, turn.interrupted) for turn in stage.record.turns] == [(None, False)]


def test_with_barge_in_off_the_queue_is_left_alone() -> None:
    """The caller hears the agent out, and the record counts what was not accepted."""
    stage = Stage(barge_in="off").connected()
    stage.says(2.0)
    assert stage.tell(e.AgentInterrupted()) == []
    stage.wait(2.1)
    stage.tell(e.PhoneClosed(orderly=True))
    stage.until_over()
    assert stage.record.turns[0].interrupted is False
    assert stage.record.detail["counts"]["interruptions"] == {"agent": {"off": 1}}


def test_stale_sound_is_dropped_and_the_next_turn_is_heard() -> None:
    """Late chunks of the interrupted turn are not played; the reply is."""
    stage = Stage().connected()
    for number in (1, 2, 3):
        stage.says(0.5, event_id=number)
    stage.tell(e.AgentInterrupted())
    before = len(stage.played)
    stage.says(0.5, event_id=3)
    assert len(stage.played) == before
    stage.says(0.5, event_id=4)
    assert len(stage.played) == before + 4000


def test_the_reply_that_carries_the_interruptions_own_id_is_heard() -> None:
    """Only strictly older sound is stale."""
    stage = Stage().connected()
    stage.says(0.5, event_id=1)
    stage.tell(e.AgentInterrupted(2))
    before = len(stage.played)
    stage.says(0.5, event_id=1)
    stage.says(0.5, event_id=2)
    assert len(stage.played) == before + 4000


def test_an_interruption_that_comes_too_late_does_not_cut_the_next_turn() -> None:
    """One with an id older than the sound that plays now is about a turn that is over."""
    stage = Stage().connected()
    stage.says(0.5, event_id=1)
    stage.wait(0.6)
    stage.says(2.0, event_id=7)
    assert stage.tell(e.AgentInterrupted(3)) == []


def test_what_was_heard_of_an_interrupted_turn_is_in_the_record() -> None:
    """By marks and time, in whole words."""
    stage = Stage().connected()
    stage.says(4.0, text="one two three four")
    stage.wait(2.05)
    stage.tell(e.AgentInterrupted())
    turn = stage.record.turns[0]
    assert (turn.interrupted, turn.heard) == (True, "one two")


def test_a_turn_that_was_heard_in_full_is_not_interrupted() -> None:
    """An interruption after the last word cuts nothing."""
    stage = Stage().connected()
    stage.says(1.0, text="one two")
    stage.wait(1.5)
    stage.tell(e.AgentInterrupted())
    assert stage.record.turns[0].public()["heard"] == "one two"
    assert stage.record.turns[0].interrupted is False


def test_only_the_turns_that_were_cut_are_interrupted() -> None:
    """The first turn was heard, the second in part, the third not at all."""
    stage = Stage().connected()
    for text in ("one two", "three four", "five six"):
        stage.says(1.0, text=text)
    stage.wait(1.6)
    stage.tell(e.AgentInterrupted())
    assert [(turn.interrupted, turn.public()["heard"]) for turn in stage.record.turns] == [
        (False, "one two"),
        (True, "three"),
        (True, ""),
    ]


def test_the_time_of_an_interruption_is_measured_from_the_callers_onset() -> None:
    """interruption_ms: from the first loud frame to the clearing."""
    stage = Stage().connected()
    stage.idle(0.5)
    stage.says(5.0)
    stage.caller(0.6)
    stage.tell(e.AgentInterrupted())
    assert stage.record.latency.interruption_ms == [pytest.approx(600, abs=25)]


def test_the_bridge_itself_may_notice_and_tells_the_agent() -> None:
    """Where no event comes: clear first, then interrupt, once; what the agent still sends is dropped for a while."""
    stage = Stage(barge_in="both").connected()
    stage.says(5.0)
    stage.wait(1.5)
    orders = stage.tell(e.CallerText("Wait a moment", final=False))
    assert orders[:2] == [e.ClearAudio(), e.SendInterrupt()]
    before = len(stage.played)
    stage.says(0.5)
    assert len(stage.played) == before
    stage.tell(e.AgentTurnComplete())
    stage.says(0.5)
    assert len(stage.played) == before + 4000


def test_an_agent_that_had_finished_is_not_told_to_stop() -> None:
    """Only the phone is cleared; the reply is heard at once."""
    stage = Stage(barge_in="both").connected()
    stage.says(5.0)
    stage.tell(e.AgentTurnComplete())
    stage.wait(1.5)
    orders = stage.tell(e.CallerText("Wait a moment"))
    assert e.ClearAudio() in orders
    assert e.SendInterrupt() not in orders
    before = len(stage.played)
    stage.says(0.5)
    assert len(stage.played) == before + 4000


def test_words_over_unplayed_sound_are_an_interruption_too() -> None:
    """A transcript says as much as a detector."""
    stage = Stage(barge_in="both").connected()
    stage.says(5.0)
    stage.wait(1.5)
    assert e.ClearAudio() in stage.tell(e.CallerText("Wait a moment"))
    assert [turn.role for turn in stage.record.turns] == ["agent", "caller"]


def test_silence_is_no_word() -> None:
    """An empty transcript interrupts nobody."""
    stage = Stage(barge_in="both").connected()
    stage.says(5.0)
    assert e.ClearAudio() not in stage.tell(e.CallerText("  ", final=False))


def test_speech_while_nothing_sounds_interrupts_nothing() -> None:
    """There is nothing to cut."""
    stage = Stage(barge_in="both").connected()
    assert e.ClearAudio() not in stage.tell(e.CallerText("Hello there"))


def test_a_ping_is_answered_at_once_with_its_id() -> None:
    """Also before the stream is there."""
    stage = Stage()
    assert stage.tell(ready(), e.AgentPing(42))[-1] == e.SendPong(42)


def test_the_answer_to_the_callers_question_is_timed() -> None:
    """response_ms: the caller's last word to the agent's first sound; first_word_ms from the stream's start."""
    stage = Stage().connected()
    stage.wait(0.15)
    stage.says(0.2)
    stage.idle(0.5)
    stage.caller(1.0)
    stage.idle(0.7)
    stage.says(0.2)
    latency = stage.record.latency
    assert latency.first_word_ms == pytest.approx(150, abs=1)
    assert latency.response_ms == [pytest.approx(720, abs=25)]


def test_both_texts_reach_the_record() -> None:
    """Whatever order their messages come in."""
    stage = Stage().connected()
    stage.tell(e.AgentText("Hello"), e.CallerText("Hi"))
    assert {turn.text for turn in stage.record.turns} == {"Hello", "Hi"}


def test_the_agents_correction_reaches_the_record() -> None:
    """What it says that the caller heard stands."""
    stage = Stage().connected()
    stage.tell(e.AgentText("one two"), e.AgentTextCorrected("one two", "one..."))
    assert stage.record.turns[0].heard == "one..."


def test_a_tool_is_asked_for() -> None:
    """As the agent named it, with a note in the record that holds no arguments."""
    stage = Stage().connected()
    assert stage.tell(e.AgentToolCall("t1", "weather", {"city": "Graz"})) == [
        e.RunTool("t1", "weather", {"city": "Graz"})
    ]
    assert "Graz" not in str(stage.record.events)


def test_single_nonsense_is_skipped() -> None:
    """Of either side."""
    stage = Stage().connected()
    assert stage.tell(e.Garbage("phone", Reason.CARRIER_PROTOCOL), e.Garbage("agent", Reason.AGENT_PROTOCOL)) == []


def test_a_second_of_nonsense_ends_the_phone_leg_with_its_reason() -> None:
    """The caller is told, as far as the carrier plays it."""
    stage = Stage().connected()
    for _ in range(50):
        stage.tell(e.Garbage("phone", Reason.CARRIER_PROTOCOL))
    stage.until_over()
    assert stage.reason is Reason.CARRIER_PROTOCOL
    assert stage.prompted == ["goodbye_trouble"]


def test_nonsense_that_goes_on_is_answered_once() -> None:
    """The caller hears the words to the end, one time, and the line is hung up while the nonsense still comes."""
    stage = Stage().connected()
    for _ in range(500):
        if not stage.over:
            stage.tell(e.Garbage("phone", Reason.CARRIER_PROTOCOL))
            stage.wait(0.02)
    assert stage.prompted == ["goodbye_trouble"]
    assert stage.over
    assert [note["type"] for note in stage.record.events].count("garbage") == 1


def test_a_second_of_nonsense_from_the_agent_is_a_loss() -> None:
    """A successor is fetched."""
    stage = Stage().connected()
    for _ in range(50):
        stage.tell(e.Garbage("agent", Reason.AGENT_PROTOCOL))
    assert stage.tried == ["support", "support"]
    assert not stage.over


def test_nonsense_before_ready_is_a_failure_when_it_is_fatal() -> None:
    """An agent whose announcement cannot be used is not waited for."""
    stage = Stage(("support", "booking"))
    stage.tell(opened(), e.Garbage("agent", Reason.AGENT_FORMAT, fatal=True))
    assert stage.tried == ["support", "booking"]


def test_what_nobody_needs_is_counted() -> None:
    """Ignored messages are in the record by kind."""
    stage = Stage().connected()
    stage.tell(e.Ignored("vad_score"), e.Ignored("vad_score"), e.PhoneClosed(orderly=True))
    stage.until_over()
    assert stage.record.detail["counts"]["ignored"] == {"vad_score": 2}


def test_sound_of_a_successor_is_its_own_turn() -> None:
    """What the lost agent said keeps its share, and the new one begins another turn."""
    stage = Stage().connected()
    stage.says(1.0, text="one two")
    stage.tell(e.AgentClosed(1006), ready())
    stage.says(1.0, text="three four")
    stage.idle(1.2)
    stage.tell(e.AgentInterrupted())
    assert [turn.public()["heard"] for turn in stage.record.turns] == ["one two", ""]
