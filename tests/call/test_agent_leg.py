"""bridge/call/agent_leg.py: an agent is fetched, given back, becomes ready, leaves, is lost, is replaced."""

import pytest

from bridge.audio.formats import AudioFormat, Encoding
from bridge.call import events as e
from bridge.call.agent_leg import STALLED_S, STILL_THERE_S
from bridge.errors import Reason
from tests.call.stage import QUIET, Stage, failed, opened, ready

TWO = ("support", "booking")


def test_the_agent_is_fetched_with_the_offer() -> None:
    """Pre-warming: before any stream is there."""
    assert Stage().sent(e.ConnectAgent) == [e.ConnectAgent("support", 1, resumed=False)]


def test_an_agent_that_is_not_to_be_prewarmed_waits_for_the_stream() -> None:
    """No session is opened for a caller who may not come."""
    stage = Stage(prewarm=False)
    assert stage.tried == []
    stage.tell(opened())
    assert stage.tried == ["support"]


def test_a_prewarmed_session_is_given_back_and_its_greeting_forgotten() -> None:
    """Without a stream for 10 s; the one that comes later is greeted once, by an agent that begins anew."""
    stage = Stage()
    stage.tell(ready())
    stage.says(1.0, text="Hello!")
    stage.wait(10.5)
    assert stage.sent(e.DropAgent) == [e.DropAgent(stopped=True)]
    stage.tell(opened())
    assert stage.sent(e.ConnectAgent)[-1] == e.ConnectAgent("support", 2, resumed=False)
    assert stage.played == b""


def test_failures_lead_to_the_next_agent_within_the_second() -> None:
    """A wrong key costs the caller nothing but the way to the backup."""
    stage = Stage(TWO)
    stage.tell(opened(), failed())
    assert stage.tried == ["support", "booking"]
    stage.tell(ready())
    assert stage.record.agent == "booking"


def test_a_retry_waits_for_its_delay() -> None:
    """The second try comes after the pause, not before."""
    stage = Stage()
    stage.tell(failed(Reason.AGENT_BUSY, retry=True, after=1.0))
    assert stage.tried == ["support"]
    stage.wait(0.95)
    assert stage.tried == ["support"]
    stage.wait(0.1)
    assert stage.tried == ["support", "support"]


def test_who_waits_for_another_agent_is_told_so() -> None:
    """The bridge speaks while it tries the next one."""
    stage = Stage(TWO)
    stage.tell(opened(), failed())
    assert stage.prompted == ["one_moment"]


@pytest.mark.parametrize(
    ("stage_reached", "reason"), [("", Reason.AGENT_TIMEOUT), ("socket", Reason.AGENT_SILENT_START)]
)
def test_an_agent_that_is_late_is_given_up(stage_reached: str, reason: Reason) -> None:
    """After the start budget: before its socket was there a time-out, after it a silent start."""
    stage = Stage()
    stage.tell(opened())
    if stage_reached:
        stage.tell(e.AgentProgress(stage_reached, 100.0))
    stage.until_over()
    assert stage.sent(e.DropAgent)
    assert stage.reason is reason
    assert stage.prompted[-1] == "goodbye_trouble"
    assert stage.now < 5.0 + 1.0


def test_without_any_agent_the_lines_fallback_follows() -> None:
    """The stream is closed, and the carrier's next question is answered with the fallback."""
    stage = Stage(has_fallback=True)
    stage.tell(opened(), failed())
    assert stage.over
    assert stage.then == "fallback"
    assert stage.reason is Reason.AGENT_AUTH


def test_what_cannot_be_converted_is_refused_loudly() -> None:
    """A format that the agent announces and we cannot play is its failure, not noise in the caller's ear."""
    stage = Stage()
    stage.tell(opened(), ready(AudioFormat(Encoding.PCM16, 96000)))
    stage.until_over()
    assert stage.reason is Reason.AGENT_FORMAT


def test_latencies_of_the_way_are_in_the_record() -> None:
    """Credential and connection, of the first agent that got so far."""
    stage = Stage()
    stage.tell(e.AgentProgress("credential", 120.04))
    stage.wait(0.3)
    stage.tell(ready())
    latency = stage.record.latency
    assert (latency.credential_ms, latency.connect_ms) == (120.0, 300.0)
    assert stage.record.agent_conversation_id == "conv_1"


def test_when_the_agent_leaves_its_last_words_are_heard_first() -> None:
    """1000 after ready is a normal end: the mark behind the last words comes back, then the phone is hung up."""
    stage = Stage().connected()
    stage.says(3.0)
    stage.tell(e.AgentClosed(1000))
    stage.wait(2.9)
    assert not stage.over
    assert stage.until_over() < 0.3
    assert (stage.reason, stage.then) == (Reason.AGENT_HANGUP, "hangup")


def test_last_words_end_without_their_mark_too() -> None:
    """Where the mark is lost, the clock and its grace decide."""
    stage = Stage(echo=False).connected()
    stage.says(3.0)
    stage.tell(e.AgentClosed(1000))
    stage.until_over()
    assert stage.now == pytest.approx(5.0, abs=0.2)
    assert stage.reason is Reason.AGENT_HANGUP


def test_an_agent_that_leaves_before_the_stream_is_heard_all_the_same() -> None:
    """Its greeting waits, is played, and ends the call."""
    stage = Stage()
    stage.tell(ready())
    stage.says(1.0)
    stage.tell(e.AgentClosed(1000))
    stage.wait(1.0)
    stage.tell(opened())
    stage.until_over()
    assert len(stage.played) == 8000
    assert stage.reason is Reason.AGENT_HANGUP


@pytest.mark.parametrize("code", [1006, 1011, 1012, 1013, 1001])
def test_a_lost_agent_is_replaced_while_its_words_sound(code: int) -> None:
    """What it had sent is heard, the bridge speaks, and a session that knows of the call is fetched at once."""
    stage = Stage().connected()
    stage.says(2.0)
    stage.tell(e.AgentClosed(code))
    assert stage.sent(e.ConnectAgent)[-1] == e.ConnectAgent("support", 2, resumed=True)
    assert stage.sent(e.ClearAudio) == []
    assert stage.prompted == ["one_moment"]
    stage.tell(ready())
    stage.says(1.0)
    assert len(stage.played) == 2 * 8000 + 800 + 8000


def test_a_lost_agents_backup_takes_over() -> None:
    """The same agent is tried once more, then the backup."""
    stage = Stage(TWO).connected()
    stage.tell(e.AgentClosed(1006), failed(Reason.AGENT_UNREACHABLE))
    stage.tell(ready())
    assert stage.tried == ["support", "support", "booking"]
    assert stage.record.agent == "booking"


def test_an_agent_lost_before_anybody_heard_it_begins_anew() -> None:
    """The half greeting is forgotten, and its successor is not told to resume."""
    stage = Stage()
    stage.tell(ready())
    stage.says(1.0)
    stage.tell(e.AgentClosed(1006))
    assert stage.sent(e.ConnectAgent)[-1] == e.ConnectAgent("support", 2, resumed=False)
    stage.tell(ready())
    stage.says(0.5)
    stage.tell(opened())
    assert len(stage.played) == 4000


def test_losses_without_end_end_the_call() -> None:
    """An agent that goes again and again is not fetched for ever."""
    stage = Stage().connected()
    for _ in range(6):
        stage.tell(e.AgentClosed(1006), ready())
    stage.until_over()
    assert stage.reason is Reason.AGENT_LOST
    assert stage.prompted[-1] == "goodbye_trouble"


def test_a_close_before_ready_is_a_refusal() -> None:
    """And may be tried again, unless the agent said that it must not."""
    stage = Stage()
    stage.tell(e.AgentClosed(1008))
    stage.tell(opened())
    stage.until_over()
    assert stage.tried == ["support"]
    assert stage.reason is Reason.AGENT_REFUSED


def test_a_problem_is_recorded_and_becomes_a_loss_when_the_socket_closes() -> None:
    """sessionError, then 1000: not a normal end."""
    stage = Stage().connected()
    stage.tell(e.AgentProblem("upstream", 7))
    assert not stage.over
    stage.tell(e.AgentClosed(1000))
    assert stage.sent(e.ConnectAgent)[-1] == e.ConnectAgent("support", 2, resumed=True)


def test_a_problem_that_passed_does_not_make_an_end_a_loss() -> None:
    """An agent that goes on speaking after an error, and then leaves, has left."""
    stage = Stage().connected()
    stage.tell(e.AgentProblem("hiccup"))
    stage.says(0.1)
    stage.tell(e.AgentClosed(1000))
    stage.until_over()
    assert stage.reason is Reason.AGENT_HANGUP


def test_a_problem_before_ready_is_a_failure() -> None:
    """The next agent is tried."""
    stage = Stage(TWO)
    stage.tell(e.AgentProblem("no capacity"))
    assert stage.tried == TWO_TRIED


TWO_TRIED = ["support", "booking"]


def test_an_agents_own_time_out_ends_the_call() -> None:
    """sessionTimeout: what it sent is heard, then the phone is hung up."""
    stage = Stage().connected()
    stage.says(1.0)
    stage.tell(e.AgentExpired("idle", 120))
    stage.until_over()
    assert stage.reason is Reason.AGENT_IDLE
    assert stage.now == pytest.approx(1.0, abs=0.1)


def test_an_agent_that_does_not_answer_is_replaced() -> None:
    """Asked and asked again: reassured after STILL_THERE_S, blamed after STALLED_S."""
    stage = Stage().connected()
    stage.says(0.5)
    stage.idle(2.0)
    asked = stage.now
    while len(stage.tried) == 1 and stage.now < 60:
        stage.caller(1.0)
        stage.idle(3.0)
    assert stage.prompted[0] == "still_there"
    assert stage.tried == ["support", "support"]
    assert STALLED_S <= stage.now - asked <= STALLED_S + 11.0
    assert STILL_THERE_S < STALLED_S


def test_an_agent_that_waits_for_a_silent_caller_is_not_at_fault() -> None:
    """Nobody spoke: nothing is owed."""
    stage = Stage().connected()
    stage.idle(120.0)
    assert stage.tried == ["support"]
    assert stage.prompted == []


def test_an_agent_that_listens_to_a_long_story_is_not_at_fault() -> None:
    """As long as the caller goes on speaking, no answer is owed."""
    stage = Stage().connected()
    stage.says(0.5)
    for _ in range(60):
        stage.caller(1.0)
        stage.idle(0.5)
    assert stage.tried == ["support"]
    assert stage.prompted == []


def test_a_caller_who_thought_for_long_does_not_make_the_agent_late() -> None:
    """The time to answer begins when the caller has spoken, not when the agent last did."""
    stage = Stage().connected()
    stage.says(0.5)
    stage.idle(60.0)
    stage.caller(5.0)
    stage.idle(6.0)
    assert stage.tried == ["support"]
    assert stage.prompted == []


def test_a_successor_has_its_own_time_to_answer() -> None:
    """It does not inherit its predecessor's debt."""
    stage = Stage().connected()
    stage.caller(4.0)
    stage.idle(28.0)
    stage.tell(e.AgentClosed(1006), ready())
    stage.idle(10.0)
    assert stage.tried == ["support", "support"]


def test_late_news_of_an_agent_that_is_gone_changes_nothing() -> None:
    """After the agent has left, nothing it says brings it back."""
    stage = Stage().connected()
    stage.says(2.0)
    stage.tell(e.AgentClosed(1000))
    for event in (ready(), failed(), e.AgentClosed(1006), e.AgentAudio(QUIET * 160), e.AgentExpired("idle")):
        assert stage.tell(event) == []


def test_an_announced_normal_end_is_no_loss() -> None:
    """An error event with 1000 (the agent's own longest duration), then 1000: the agent has left."""
    stage = Stage().connected()
    stage.tell(e.AgentProblem("max_duration_exceeded", 1000))
    stage.tell(e.AgentClosed(1000))
    stage.until_over()
    assert stage.reason is Reason.AGENT_HANGUP
