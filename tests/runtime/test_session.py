"""One call: what its machine orders is done, and whatever happens ends it and nothing else."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.call import events as e
from bridge.errors import AgentFailure, Reason
from tests.runtime.wires import Bench, Helper, Wire, until

Make = Callable[..., Bench]


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Calls, ended with the test."""
    made: list[Bench] = []

    def one(*agents: Helper, **planned: Any) -> Bench:
        made.append(Bench(monkeypatch, *agents, **planned))
        return made[-1]

    yield one
    for bench in made:
        if bench.task is not None and not bench.task.done():
            bench.task.cancel()
            await asyncio.wait({bench.task})


async def test_sound_goes_both_ways_at_once(make: Make) -> None:
    """What one socket receives has been sent on the other before the callback returns."""
    bench = make()
    await bench.connected()
    bench.phone_stream.knows["hi"] = [e.PhoneAudio(b"\x10" * 160)]
    bench.agents[0].stream.knows["yes"] = [e.AgentAudio(b"\x55" * 160)]
    bench.phone.receiver.received(b"hi")
    assert bench.wires[0].sent[-1] == b"SendAudio"
    bench.wires[0].receiver.received(b"yes")
    assert b"PlayAudio" in bench.phone.sent


async def test_the_agent_is_greeted_before_anything_else_is_sent(make: Make) -> None:
    """What its protocol opens with comes first and in its order, whatever the caller has said meanwhile."""
    bench = make()
    await bench.begin()
    bench.attach()
    bench.phone_stream.knows["hi"] = [e.PhoneAudio(b"\x10" * 160)]
    bench.phone.receiver.received(b"hi")
    await until(lambda: bool(bench.wires) and len(bench.wires[0].sent) == 2)
    bench.wires[0].receiver.received(b"ready")
    assert bench.wires[0].sent == [b"hello", b"how are you", b"SendAudio"]


async def test_an_order_that_the_agent_has_no_word_for_is_not_sent(make: Make) -> None:
    """Nothing goes out in its place."""
    bench = make()
    session = await bench.connected()
    before = list(bench.wires[0].sent)
    session.perform(e.SendContext("a key was pressed"))
    assert bench.wires[0].sent == before
    session.perform(e.SendText("hello"))
    assert bench.wires[0].sent == [*before, b"SendText"]


async def test_the_end_closes_both_sockets_and_gives_the_session_back(make: Make) -> None:
    """Then, and only then, the call's task returns; the agent is told that it was stopped."""
    bench = make()
    session = await bench.connected()
    session.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
    record = await bench.over()
    assert record.outcome is Reason.OPERATOR_HANGUP
    assert 1000 in bench.phone.codes
    assert bench.wires[0].codes == [1000]
    assert b"SendStop" in bench.wires[0].sent
    assert bench.agents[0].released == [True]
    assert [order.then for order in bench.closings] == ["hangup"]
    assert bench.saved[-1] is record


async def test_an_agent_that_is_being_asked_is_given_up_with_the_call(make: Make) -> None:
    """The task that waits for it is cancelled, and nobody waits for it."""
    helper = Helper()
    helper.hangs = True
    bench = make(helper)
    session = await bench.begin()
    await until(lambda: bool(helper.briefs))
    session.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
    await bench.over()
    assert helper.cancelled == 1
    assert helper.released == []


async def test_an_agent_that_fails_gives_way_to_the_next(make: Make) -> None:
    """The backup has the call; the failure is in the record."""
    first, second = Helper("support"), Helper("backup")
    first.fails = AgentFailure("no", reason=Reason.AGENT_AUTH)
    bench = make(first, second)
    await bench.connected()
    assert len(second.briefs) == 1
    assert bench.session.record.agent == "backup"
    failed = [event for event in bench.session.record.events if event["type"] == "agent_failed"]
    assert [(event["agent"], event["reason"]) for event in failed] == [("support", "agent_auth")]


async def test_a_socket_that_cannot_be_opened_gives_its_session_back(make: Make) -> None:
    """The credential was granted: the agent is told that nobody comes."""
    first, second = Helper("support"), Helper("backup")
    bench = make(first, second)

    def refuse(wire: Wire) -> None:
        if len(bench.wires) == 1:
            raise AgentFailure("no", reason=Reason.AGENT_REFUSED)

    bench.connects = refuse
    await bench.begin()
    await until(lambda: bool(second.briefs) and bool(first.released))
    assert first.released == [False]


async def test_a_bug_of_ours_in_an_agent_ends_this_call_and_is_not_raised(make: Make) -> None:
    """What is no AgentFailure is an internal error of this call only."""
    helper = Helper()
    helper.fails = ZeroDivisionError("ours")
    bench = make(helper)
    await bench.begin()
    assert (await bench.over()).outcome is Reason.INTERNAL_ERROR


async def test_a_bug_of_ours_in_a_callback_ends_this_call_and_is_not_raised(make: Make) -> None:
    """A socket that throws: the sockets are closed all the same, and the agent is given back."""
    bench = make()
    session = await bench.connected()

    def broken(message: bytes) -> None:
        raise ZeroDivisionError

    bench.phone.send = broken  # type: ignore[method-assign]
    session.handle(e.AgentAudio(b"\x55" * 160))
    record = await bench.over()
    assert record.outcome is Reason.INTERNAL_ERROR
    assert 1000 in bench.phone.codes
    assert len(bench.agents[0].released) == 1


async def test_a_second_stream_replaces_the_first(make: Make) -> None:
    """The old socket is closed, and what it still says changes nothing."""
    bench = make()
    session = await bench.connected()
    old, receiver = bench.phone, bench.phone.receiver
    bench.phone = Wire()
    new = bench.attach()
    assert old.codes == [1000]
    assert session.phone_socket is new
    bench.phone_stream.knows["hi"] = [e.PhoneAudio(b"\x10" * 160)]
    sent = len(bench.wires[0].sent)
    receiver.received(b"hi")
    receiver.closed(1006, "")
    assert len(bench.wires[0].sent) == sent
    assert session.phone_socket is new
    new.receiver.received(b"hi")
    assert len(bench.wires[0].sent) == sent + 1


async def test_a_detached_phone_is_closed_and_not_heard(make: Make) -> None:
    """The carrier was promised another stream: nothing is sent meanwhile."""
    bench = make()
    session = await bench.connected()
    phone = bench.phone
    session.detach_phone()
    assert phone.codes == [1000]
    assert phone.receiver is None
    sent = list(phone.sent)
    session.handle(e.AgentAudio(b"\x55" * 160))
    assert phone.sent == sent
    session.detach_phone()
    assert phone.codes == [1000]


async def test_a_carrier_that_answers_a_ping_is_not_cut(make: Make) -> None:
    """The probe ends with the answer; one that nobody sent is not taken for it."""
    bench = make()
    session = await bench.connected()
    session.perform(e.ProbePhone())
    assert bench.phone.pings == 1
    session.phone_answered()
    session.phone_answered()
    assert not bench.phone.aborted
    assert session.record.outcome is None


async def test_a_carrier_that_does_not_answer_a_ping_is_cut(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time the call ends as stalled by the carrier, and the socket is aborted rather than closed."""
    monkeypatch.setattr("bridge.runtime.session.PROBE_S", 0.001)
    bench = make()
    session = await bench.connected()
    session.perform(e.ProbePhone())
    record = await bench.over()
    assert record.outcome is Reason.CARRIER_STALLED
    assert bench.phone.aborted


async def test_timers_run_out_once_and_can_be_stopped_or_replaced(make: Make) -> None:
    """The machine hears of a timer that ran out; of a stopped one it does not, and of a replaced one once."""
    bench = make(prewarm=False)
    session = await bench.begin()
    told: list[str] = []
    reached = asyncio.Event()
    handle = session.handle

    def hear(event: e.Event) -> None:
        if isinstance(event, e.TimedOut):
            told.append(event.name)
            if event.name == "last":
                reached.set()
            return
        handle(event)

    session.handle = hear  # type: ignore[method-assign]
    session.perform(e.StartTimer("stopped", 0.0))
    session.perform(e.StopTimer("stopped"))
    session.perform(e.StopTimer("never"))
    session.perform(e.StartTimer("twice", 0.0))
    session.perform(e.StartTimer("twice", 0.0))
    session.perform(e.StartTimer("last", 0.002))
    async with asyncio.timeout(2):
        await reached.wait()
    assert told == ["twice", "last"]


async def test_after_the_end_no_timer_is_left(make: Make) -> None:
    """What would have run out later does not."""
    bench = make(prewarm=False)
    session = await bench.begin()
    loop = asyncio.get_running_loop()
    session.perform(e.StartTimer("late", 0.001))
    session.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
    await bench.over()
    told: list[e.Event] = []
    session.handle = told.append  # type: ignore[method-assign]
    passed = asyncio.Event()
    loop.call_later(0.003, passed.set)
    await passed.wait()
    assert told == []


async def test_the_agent_is_told_whom_it_speaks_with(make: Make) -> None:
    """Our id and the carrier's, both numbers as the person and the line, variables and overrides."""
    bench = make()
    await bench.begin()
    await until(lambda: bool(bench.agents[0].briefs))
    brief = bench.agents[0].briefs[0]
    assert (brief.call_id, brief.carrier_call_id, brief.direction) == ("call_1", "CA" + "0" * 32, "inbound")
    assert (brief.phone_number, brief.called_number) == ("+15550123456", "+15550100")
    assert brief.variables == {"plan": "gold"}
    assert (brief.first_message, brief.language, brief.prompt, brief.voice_id) == ("Hi.", "de", None, None)


async def test_the_agent_is_told_no_address_for_a_number(make: Make) -> None:
    """A browser or a SIP phone that calls has none."""
    session = await make().connected()
    session.record.from_number = "sip:bob@example.com"
    assert session.brief(resumed=False).phone_number == ""


async def test_a_successor_is_told_what_was_said(make: Make) -> None:
    """The transcript, and words to go on with in place of the greeting; the first agent's brief is not changed by it."""
    bench = make()
    session = await bench.connected()
    session.handle(e.CallerText("My name is Ann."))
    resumed = session.brief(resumed=True)
    assert "My name is Ann." in str(resumed.variables["previous_transcript"])
    assert resumed.first_message == "Where were we?"
    fresh = session.brief(resumed=False)
    assert "previous_transcript" not in fresh.variables
    assert fresh.first_message == "Hi."


async def test_without_words_to_go_on_with_a_successor_begins_as_ever(make: Make) -> None:
    """For agents whose owner allows no override of the first message: the transcript is all that they are told."""
    session = await make(resume_message="").connected()
    resumed = session.brief(resumed=True)
    assert resumed.first_message == "Hi."
    assert "previous_transcript" in resumed.variables


@pytest.mark.parametrize(
    ("resume", "returned", "said"),
    [
        ("Where were we?", "Nobody is there.", "Nobody is there."),
        ("Where were we?", "", "Where were we?"),
        ("", "Nobody is there.", "Hi."),
    ],
)
async def test_who_has_the_caller_back_says_that_nobody_took_the_call(
    make: Make, resume: str, returned: str, said: str
) -> None:
    """Where its first message may be overridden; an agent that follows it after a loss has other words."""
    bench = make(resume_message=resume, returned_message=returned, happened="transfer_failed", resumed=True)
    session = await bench.connected()
    assert bench.agents[0].briefs[0].first_message == said
    assert session.brief(resumed=True).first_message == (resume or "Hi.")


async def test_tools_are_run_by_the_house(make: Make) -> None:
    """The order is handed on as it is."""
    bench = make()
    session = await bench.connected()
    session.handle(e.AgentToolCall("t1", "look_up", {"id": 7}))
    (order,) = bench.tools
    assert (order.tool_call_id, order.name, order.arguments) == ("t1", "look_up", {"id": 7})


async def test_a_release_that_fails_or_hangs_does_not_keep_the_call(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call's task returns with its own outcome."""
    monkeypatch.setattr("bridge.runtime.session.RELEASE_S", 0.001)

    async def fails(session: object, *, stopped: bool) -> None:
        raise ZeroDivisionError

    async def hangs(session: object, *, stopped: bool) -> None:
        await asyncio.Event().wait()

    for release in (fails, hangs):
        helper = Helper()
        helper.release = release  # type: ignore[method-assign, assignment]
        bench = make(helper)
        session = await bench.connected()
        session.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
        assert (await bench.over()).outcome is Reason.OPERATOR_HANGUP


async def test_what_happens_after_the_end_changes_nothing(make: Make) -> None:
    """Late messages of either side are not heard."""
    bench = make()
    session = await bench.connected()
    receiver = bench.wires[0].receiver
    session.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
    await bench.over()
    sent = list(bench.phone.sent)
    receiver.received(b"ready")
    receiver.closed(1006, "")
    session.handle(e.AgentAudio(b"\x55" * 160))
    session.handle(e.CarrierEnded(Reason.CALLER_HANGUP))
    assert bench.phone.sent == sent
    assert session.record.outcome is Reason.OPERATOR_HANGUP
    assert len(bench.closings) == 1


async def test_the_record_tells_how_long_the_agent_took(make: Make) -> None:
    """Its conversation, its credential and its socket."""
    bench = make()
    session = await bench.connected()
    assert session.record.agent_conversation_id == "conv_1"
    assert session.record.latency.connect_ms is not None
    assert session.record.latency.credential_ms is not None


async def test_a_call_that_is_over_is_gone_without_the_garbage_collector(make: Make) -> None:
    """Its session, sockets' listeners and machine hold each other nowhere: hundreds of calls need no search for cycles."""
    bench = make()
    session = await bench.connected()
    bench.phone_stream.knows["hi"] = [e.PhoneAudio(b"\x10" * 160)]
    bench.phone.receiver.received(b"hi")
    session.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
    await bench.over()
    gone = weakref.ref(session)
    gc.disable()
    try:
        bench.phone.receiver = bench.wires[0].receiver = None  # as a socket does at its end
        bench.task = None
        del session, bench.session
        await asyncio.sleep(0)
        assert gone() is None
    finally:
        gc.enable()
