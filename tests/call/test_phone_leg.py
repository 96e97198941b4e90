"""bridge/call/phone_leg.py: a stream comes, sounds, is replaced, is lost, ends."""

import pytest

from bridge.audio.transcode import Transcoder
from bridge.call import events as e
from bridge.call.phone_leg import AGENT_PATIENCE_S, FIRST_MEDIA_S, HANGUP_GRACE_S, HOLD_ON_S, LOST_S, MEDIA_S, STREAM_S
from bridge.call.record import Status
from bridge.errors import Reason
from tests.call.stage import LOUD, Stage, failed, opened, ready


def test_the_callers_sound_goes_to_the_agent_as_it_comes() -> None:
    """One frame in, one frame out, at once."""
    stage = Stage().connected()
    assert stage.tell(e.PhoneAudio(b"\x01" * 160)) == [e.SendAudio(b"\x01" * 160)]


def test_what_the_caller_says_before_the_agent_is_there_is_not_lost() -> None:
    """It is kept, and is the first that the agent hears."""
    stage = Stage()
    stage.tell(opened(), e.PhoneAudio(b"\x01" * 160), e.PhoneAudio(b"\x02" * 160))
    orders = stage.tell(ready())
    assert [order.payload for order in orders if isinstance(order, e.SendAudio)] == [b"\x01" * 160, b"\x02" * 160]


def test_larger_chunks_are_gathered_for_the_agent() -> None:
    """With uplink_chunk_ms 60 three frames go as one, and none is lost."""
    stage = Stage(uplink_chunk_ms=60).connected()
    for number in range(7):
        stage.tell(e.PhoneAudio(bytes([number]) * 160))
    sent = [order.payload for order in stage.sent(e.SendAudio) if isinstance(order, e.SendAudio)]
    assert [len(payload) for payload in sent] == [480, 480]
    assert b"".join(sent) == b"".join(bytes([number]) * 160 for number in range(6))


def test_what_made_no_whole_chunk_goes_out_with_the_streams_end() -> None:
    """The caller's last syllable reaches the agent, and once."""
    stage = Stage(uplink_chunk_ms=60).connected()
    stage.tell(e.PhoneAudio(b"\x01" * 160), e.PhoneAudio(b"\x02" * 160))
    assert stage.sent(e.SendAudio) == []
    orders = stage.tell(e.PhoneClosed(orderly=True))
    assert e.SendAudio(b"\x01" * 160 + b"\x02" * 160) in orders
    stage.until_over()
    assert len(stage.sent(e.SendAudio)) == 1


def test_whole_chunks_alone_are_sent_where_there_is_nothing_else() -> None:
    """Frames of 20 ms make chunks of 20 ms, to the last: the filter's tail is no chunk."""
    stage = Stage(convert=Transcoder).connected()
    stage.tell(e.PhoneAudio(b"\x01" * 160), e.PhoneClosed(orderly=True))
    stage.until_over()
    assert [len(order.payload) for order in stage.sent(e.SendAudio) if isinstance(order, e.SendAudio)] == [640]


def test_a_stream_that_is_replaced_keeps_nothing_back() -> None:
    """What the caller said before the new stream is with the agent when it begins."""
    stage = Stage().connected()
    stage.tell(e.PhoneAudio(b"\x01" * 159))
    assert e.SendAudio(b"\x01" * 159) in stage.tell(e.StreamPromised(15.0))


def test_a_chunk_that_an_agents_loss_left_open_is_the_first_that_its_successor_hears() -> None:
    """Nothing the caller said changes places."""
    stage = Stage(uplink_chunk_ms=60).connected()
    stage.tell(e.PhoneAudio(b"\x01" * 160), e.AgentClosed(1006))
    stage.tell(e.PhoneAudio(b"\x02" * 160), ready(), e.PhoneAudio(b"\x03" * 480))
    sent = b"".join(order.payload for order in stage.sent(e.SendAudio) if isinstance(order, e.SendAudio))
    assert sent == b"\x01" * 160 + b"\x02" * 160 + b"\x03" * 480


def test_empty_sound_changes_nothing() -> None:
    """A frame without samples is not passed on."""
    assert Stage().connected().tell(e.PhoneAudio(b"")) == []


def test_a_greeting_that_came_first_is_heard_as_soon_as_the_stream_is_there() -> None:
    """The pre-warmed agent's words wait for the stream, and their latency is nothing."""
    stage = Stage()
    stage.tell(ready())
    stage.says(1.0)
    assert stage.played == b""
    stage.tell(opened())
    assert len(stage.played) == 8000
    assert stage.record.latency.first_word_ms == 0.0
    assert stage.record.status is Status.IN_PROGRESS


def test_a_key_is_told_to_the_agent_and_to_the_record() -> None:
    """user_activity for the agent, the digit for the record."""
    stage = Stage().connected()
    assert e.SendActivity() in stage.tell(e.PhoneDigit("5"))
    assert [event["digit"] for event in stage.record.events if event["type"] == "dtmf"] == ["5"]


def test_a_key_without_an_agent_goes_to_the_record_alone() -> None:
    """There is nobody to tell."""
    stage = Stage()
    stage.tell(opened())
    assert e.SendActivity() not in stage.tell(e.PhoneDigit("#"))


def test_after_a_stop_the_caller_has_hung_up() -> None:
    """The agent is dropped within the second, the record says who ended it."""
    stage = Stage().connected()
    stage.tell(e.PhoneClosed(orderly=True))
    assert stage.until_over() <= HANGUP_GRACE_S + 0.1
    assert stage.reason is Reason.CALLER_HANGUP
    assert stage.sent(e.SendStop)
    assert stage.sent(e.DropAgent) == [e.DropAgent(stopped=True)]
    assert stage.then == "hangup"


def test_what_the_caller_did_not_wait_for_was_not_heard() -> None:
    """A hang-up in the middle of a turn is told in its heard."""
    stage = Stage().connected()
    stage.says(4.0, text="one two three four")
    stage.wait(2.05)
    stage.tell(e.PhoneClosed(orderly=True))
    stage.until_over()
    assert stage.record.turns[0].heard == "one two"


def test_a_lost_stream_is_waited_for() -> None:
    """The agent is kept for AGENT_PATIENCE_S, the call for LOST_S."""
    stage = Stage().connected()
    stage.lose_stream()
    stage.wait(AGENT_PATIENCE_S - 0.1)
    assert not stage.sent(e.DropAgent)
    stage.wait(0.2)
    assert stage.sent(e.DropAgent)
    stage.until_over()
    assert stage.now == pytest.approx(LOST_S, abs=0.1)
    assert stage.reason is Reason.CARRIER_LOST


def test_a_stream_that_comes_back_goes_on_where_it_broke_off() -> None:
    """The same agent, nothing lost of what it said meanwhile, nothing said twice."""
    stage = Stage().connected()
    stage.says(2.0)
    stage.wait(1.0)
    stage.lose_stream()
    stage.tell(e.StreamPromised(15.0))
    stage.says(1.0)
    stage.wait(1.5)
    stage.tell(opened("MZ2"))
    stage.idle(3.0)
    assert len(stage.played) == 8000 * 4  # 2 s, the second of which was lost with the stream, and 1 s
    assert not stage.over
    assert stage.tried == ["support"]


def test_a_stream_promised_while_the_old_one_lingers_replaces_it() -> None:
    """The carrier's question decides; the old socket's silence ends nothing."""
    stage = Stage().connected()
    stage.tell(e.StreamPromised(15.0))
    stage.idle(3.0)
    stage.tell(opened("MZ2"))
    stage.idle(3.0)
    assert not stage.over


def test_a_stream_that_is_promised_anew_as_it_opens_may_be_stopped() -> None:
    """A hold that nobody ended opens its stream in the very moment in which it is resumed: the carrier stops it for the
    next one, which takes its time. The agent is kept, and what it said meanwhile is heard once.
    """
    stage = Stage().connected()
    stage.tell(e.StreamPromised(120.0))
    stage.idle(60.0)
    stage.says(1.0)
    stage.tell(e.StreamPromised(15.0))
    stage.tell(opened("MZ2"), e.StreamPromised(15.0), e.PhoneClosed(orderly=True))
    stage.marks.clear()
    stage.ends_at = stage.now
    before = len(stage.played)
    stage.idle(3.0)
    stage.tell(opened("MZ3"))
    stage.idle(2.0)
    assert not stage.over
    assert stage.tried == ["support"]
    assert len(stage.played) - before == 8000


def test_a_promised_stream_that_does_not_come_ends_the_call() -> None:
    """The agent is let go when its patience is over, the call with it."""
    stage = Stage().connected()
    stage.tell(e.StreamPromised(15.0))
    stage.until_over()
    assert stage.now == pytest.approx(15.0, abs=0.1)
    assert stage.reason is Reason.CARRIER_LOST


def test_who_hangs_up_while_held_has_hung_up() -> None:
    """We took the stream away ourselves: nothing was lost, whether the carrier tells the end or no stream comes again."""
    told = Stage().connected()
    told.tell(e.StreamPromised(120.0, ours=True), e.PhoneClosed(orderly=True))
    told.tell(e.CarrierEnded(Reason.CALLER_HANGUP, Status.COMPLETED))
    assert told.reason is Reason.CALLER_HANGUP
    untold = Stage().connected()
    untold.tell(e.StreamPromised(15.0, ours=True), e.PhoneClosed(orderly=True))
    untold.until_over()
    assert untold.reason is Reason.CALLER_HANGUP


def test_what_a_stream_plays_until_it_is_taken_away_is_not_played_again() -> None:
    """The carrier takes its time to do as it is told: a second of the sentence is not heard twice."""
    stage = Stage().connected()
    stage.says(5.0)
    stage.wait(1.0)
    stage.tell(e.StreamPromised(15.0, ours=True))
    stage.wait(1.2)
    stage.tell(e.PhoneClosed(orderly=True))
    stage.marks.clear()
    stage.ends_at = stage.now
    before = len(stage.played)
    stage.tell(opened("MZ2"))
    assert len(stage.played) - before == pytest.approx(
        3.0 * 8000, abs=80
    )  # two of five were heard, 0.2 s at the seam twice


def test_what_was_heard_of_a_lost_stream_is_not_guessed() -> None:
    """A stream that the carrier lost did not play on until somebody noticed."""
    stage = Stage().connected()
    stage.says(5.0)
    stage.wait(1.0)
    stage.tell(e.StreamPromised(15.0))
    stage.wait(1.2)
    stage.tell(e.PhoneClosed(orderly=False))
    stage.marks.clear()
    before = len(stage.played)
    stage.tell(opened("MZ2"))
    assert len(stage.played) - before == pytest.approx(4.0 * 8000, abs=80)


def test_an_agent_let_go_meanwhile_is_fetched_again() -> None:
    """A stream that comes late finds an agent that is told what was said."""
    stage = Stage().connected()
    stage.lose_stream()
    stage.wait(AGENT_PATIENCE_S + 0.1)
    stage.tell(opened("MZ2"))
    assert stage.sent(e.ConnectAgent)[-1] == e.ConnectAgent("support", 2, resumed=True)


def test_without_any_stream_the_call_ends() -> None:
    """A grant lives for STREAM_S; after it nobody can come."""
    stage = Stage(prewarm=False)
    stage.until_over(90)
    assert stage.now == pytest.approx(STREAM_S, abs=0.1)
    assert (stage.reason, stage.record.status) == (Reason.NO_STREAM, Status.FAILED)


def test_a_stream_that_never_sounds_is_dead() -> None:
    """Carriers send sound all the time: after FIRST_MEDIA_S without a first frame there is no carrier."""
    stage = Stage().connected()
    stage.until_over()
    assert stage.now == pytest.approx(FIRST_MEDIA_S, abs=0.2)
    assert stage.reason is Reason.NO_MEDIA


def test_a_stream_that_falls_silent_is_dead() -> None:
    """Nor is there one after MEDIA_S without a further frame."""
    stage = Stage().connected()
    stage.idle(20.0)
    stage.until_over()
    assert stage.now - 20.0 == pytest.approx(MEDIA_S, abs=0.1)
    assert stage.reason is Reason.CARRIER_LOST


def test_a_carrier_that_returns_no_marks_but_reads_is_judged_by_the_clock() -> None:
    """It is asked once, and the call goes on; everything the agent says is heard."""
    stage = Stage(echo=False).connected()
    stage.says(1.0)
    stage.idle(4.0)
    assert stage.sent(e.ProbePhone) == [e.ProbePhone()]
    stage.tell(e.PhoneAlive())
    stage.says(20.0)
    stage.idle(25.0)
    assert len(stage.sent(e.ProbePhone)) == 1
    assert not stage.over
    stage.tell(e.AgentClosed(1000))
    assert stage.until_over() < 0.2
    assert stage.reason is Reason.AGENT_HANGUP


def test_a_burst_is_heard_in_full_without_any_mark() -> None:
    """What is held back goes out by the clock, also from a burst in one piece, and also the second time."""
    stage = Stage(echo=False).connected()
    for burst in (1, 2):
        stage.says(60.0)
        stage.idle(10.0)
        if stage.sent(e.ProbePhone) and burst == 1:
            stage.tell(e.PhoneAlive())
        stage.idle(55.0)
        assert len(stage.played) == burst * 60 * 8000


def test_a_carrier_that_does_not_read_is_given_up() -> None:
    """No mark, and no answer either: nobody hears us."""
    stage = Stage(echo=False).connected()
    stage.says(1.0)
    stage.idle(4.0)
    stage.tell(e.PhoneStalled())
    assert stage.reason is Reason.CARRIER_STALLED


def test_an_answer_nobody_asked_for_changes_nothing() -> None:
    """A stray pong does not make the clock the judge."""
    stage = Stage().connected()
    assert stage.tell(e.PhoneAlive()) == []


def test_the_carriers_end_is_the_callers_where_nothing_else_was() -> None:
    """A status callback ends the call at once, once."""
    stage = Stage().connected()
    stage.tell(e.CarrierEnded(Reason.CALLER_HANGUP))
    assert stage.reason is Reason.CALLER_HANGUP
    assert stage.tell(e.CarrierEnded(Reason.CARRIER_FAILED, Status.FAILED)) == []


def test_who_hangs_up_before_the_stream_has_abandoned_the_call() -> None:
    """completed without a stream is no success."""
    stage = Stage()
    stage.tell(e.CarrierEnded(Reason.CALLER_HANGUP, Status.COMPLETED))
    assert stage.reason is Reason.CALLER_ABANDONED


def test_a_carriers_end_after_a_lost_stream_is_the_carriers() -> None:
    """The socket was lost, and then the call."""
    stage = Stage().connected()
    stage.lose_stream()
    stage.tell(e.CarrierEnded(Reason.CALLER_HANGUP))
    assert stage.reason is Reason.CARRIER_LOST


def test_who_hangs_up_while_the_last_words_sound_does_not_change_the_outcome() -> None:
    """The agent had left."""
    stage = Stage().connected()
    stage.says(3.0)
    stage.tell(e.AgentClosed(1000))
    stage.wait(1.0)
    stage.tell(e.PhoneClosed(orderly=True))
    stage.until_over()
    assert stage.reason is Reason.AGENT_HANGUP


def test_a_caller_without_an_agent_is_not_left_in_silence() -> None:
    """After HOLD_ON_S the bridge says something."""
    stage = Stage()
    stage.tell(opened())
    stage.wait(HOLD_ON_S - 0.1)
    assert stage.prompted == []
    stage.wait(0.2)
    assert stage.prompted == ["one_moment"]


def test_what_the_bridge_had_to_say_before_the_stream_is_said_then() -> None:
    """An agent that could not be had is told of when somebody listens."""
    stage = Stage()
    stage.tell(failed())
    assert not stage.over
    stage.wait(3.0)
    stage.tell(opened())
    stage.until_over()
    assert stage.prompted == ["goodbye_trouble"]
    assert stage.reason is Reason.AGENT_AUTH


def test_the_longest_call_counts_from_its_first_stream() -> None:
    """A replaced stream gives no more time."""
    stage = Stage(max_duration_s=20.0).connected()
    stage.idle(12.0)
    stage.tell(e.StreamPromised(15.0))
    stage.wait(1.0)
    stage.tell(opened("MZ2"))
    stage.idle(9.0)
    assert stage.over
    assert stage.reason is Reason.MAX_DURATION


def test_loudness_is_followed_before_the_agent_is_there() -> None:
    """What the caller says early counts for the latencies too."""
    stage = Stage()
    stage.tell(opened())
    for _ in range(50):
        stage.tell(e.PhoneAudio(LOUD * 160))
        stage.wait(0.02)
    stage.tell(ready())
    stage.idle(0.5)
    stage.says(0.1)
    assert stage.record.latency.response_ms == [pytest.approx(520, abs=30)]
