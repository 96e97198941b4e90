"""The carrier's questions about calls, answered."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.call import events as e
from bridge.call.plan import Line
from bridge.call.record import CallRecord, Direction, Status
from bridge.call.routing import Admitted, CallerRules, LineRules, OpeningRules
from bridge.carriers.twilio.webhooks import StatusUpdate
from bridge.errors import Reason
from bridge.runtime.switchboard import Limits
from bridge.web.reception import MAX_RESUMES
from bridge.web.routing import Router, Way
from tests.web.desk import CALL, HELPER, OURS, PERSON, Office, Store, after, grant, kept, opened, voice

HANGUP = "<Response><Hangup/></Response>"
OTHER = "CA" + "3" * 32


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """One instance with its store."""
    async with Office() as found:
        yield found


def status(word: str, call: str = CALL, **more: Any) -> StatusUpdate:
    """A status callback."""
    return StatusUpdate(**{"call_sid": call, "call_status": word, "direction": Direction.INBOUND, **more})


# ------------------------------------------------------------ a new call


@pytest.mark.parametrize("away", [False, True])
async def test_whom_we_call_hears_first_who_calls(office: Office, away: bool) -> None:
    """What the dialler asked for; the house's own words where the store cannot tell. Nobody who calls us hears it."""
    office.reception._desk = replace(office.reception._desk, first_line=lambda: "The house <calls>.")
    office.store.keep(
        kept(direction=Direction.OUTBOUND, from_number=OURS, to_number=PERSON, detail={"first_line": "Dr. Ada calls."})
    )
    office.store.away = away
    ours = voice(caller=OURS, called=PERSON, direction=Direction.OUTBOUND, call_status="in-progress")
    text = await office.reception.voice(ours, "call_kept")
    said = "<Say>The house &lt;calls&gt;.</Say>" if away else "<Say>Dr. Ada calls.</Say>"
    assert f"<Response>{said}<Connect" in text
    assert "<Say>" not in await office.reception.voice(voice(OTHER))


async def test_a_call_is_answered_with_a_stream_and_a_grant_that_admits_once(office: Office) -> None:
    """The record is offered as ringing with what the carrier told; the grant leads to its session, and only once."""
    text = await office.reception.voice(voice())
    assert "wss://bridge.example.com/twilio/media" in text
    record = office.store.records[CALL]
    assert (record.from_number, record.to_number, record.line, record.agent) == (PERSON, OURS, OURS, "support")
    assert record.status is Status.RINGING
    assert record.instance == "one"
    assert await office.reception.redeem(opened(grant(text))) is office.session
    assert await office.reception.redeem(opened(grant(text))) is None


async def test_the_same_question_gets_the_same_answer(office: Office) -> None:
    """At once or later, from however many: one session, one offer, the same bytes."""
    answers = await asyncio.gather(*(office.reception.voice(voice()) for _ in range(5)))
    assert {*answers, await office.reception.voice(voice())} == {answers[0]}
    assert office.board.admitted == 1
    await office.reception.voice(voice(OTHER))
    assert office.board.admitted == 2


async def test_of_two_instances_one_has_the_call_and_both_answer_alike(office: Office) -> None:
    """Whoever loses the offer repeats the winner's words and holds no session."""
    async with Office(office.store, instance="two") as other:
        first = await office.reception.voice(voice())
        assert await other.reception.voice(voice()) == first
        assert (office.board.admitted, other.board.admitted) == (1, 0)


async def test_a_number_that_is_no_line_is_rejected(office: Office) -> None:
    """Nothing is recorded of it; a line for all takes it, under the number that was called."""
    text = await office.reception.voice(voice(called="+15550199"))
    assert "<Reject" in text
    assert not office.store.records
    async with Office(lines={"*": Line("*", ("support",))}) as all_:
        await all_.reception.voice(voice(called="+15550199"))
        assert all_.session.record.line == "+15550199"


async def test_a_call_that_is_over_already_is_hung_up(office: Office) -> None:
    """The caller was faster than the webhook: no session is made."""
    assert HANGUP in await office.reception.voice(voice(call_status="completed"))
    assert office.board.admitted == 0


async def test_one_call_too_many_is_told_so_and_kept_for_the_record() -> None:
    """Words, then the line's fallback; the record says why, and the agent is not asked."""
    async with Office(limits=Limits(max_calls=0)) as full:
        text = await full.reception.voice(voice())
        assert text.index("lines are busy") < text.index(HELPER)
        (record,) = full.saved
        assert (record.outcome, record.status) == (Reason.OVERLOADED, Status.FAILED)
        assert full.board.admitted == 0


async def test_a_bridge_that_is_closing_says_that_and_not_that_it_is_busy() -> None:
    """A drain is told in its own words and recorded as such."""
    async with Office() as closing:
        closing.board.draining = True
        text = await closing.reception.voice(voice())
        assert "lines are busy" not in text
        assert "cannot take your call" in text
        assert closing.saved[0].outcome is Reason.DRAINING


async def test_who_is_not_let_in_is_rejected_unheard_or_with_words() -> None:
    """Before any agent is asked; silence is a rejection, words are said and hung up."""
    for say, expected in (("", "<Reject"), ("Go away.", "Go away.")):
        rules = LineRules(callers=CallerRules(block=(PERSON,), say=say))
        async with Office(router=Router({OURS: Way(rules)}, agents={})) as strict:
            assert expected in await strict.reception.voice(voice())
            (record,) = strict.saved
            assert (record.outcome, record.status) == (Reason.CALLER_BLOCKED, Status.FAILED)
            assert strict.board.admitted == 0


async def test_outside_hours_is_no_failure() -> None:
    """The hours' own number is dialled, not the line's fallback; the record is completed."""
    hours = OpeningRules(lambda now: False, say="Closed.", dial="+15550166")
    async with Office(router=Router({OURS: Way(LineRules(hours=hours))}, agents={})) as closed:
        text = await closed.reception.voice(voice())
        assert "Closed." in text
        assert "+15550166" in text
        assert HELPER not in text
        assert (closed.saved[0].outcome, closed.saved[0].status) == (Reason.OUTSIDE_HOURS, Status.COMPLETED)


async def test_another_agent_and_variables_reach_the_session() -> None:
    """What the routing decides is what the agent is asked with."""

    class Choice(Router):
        """Sales for everybody."""

        async def route(self, record: CallRecord, line: Line, *, attestation: str) -> Admitted:
            """Decided."""
            return Admitted("sales", {"plan": "gold"}, {"first_message": "Hi."})

    async with Office(router=Choice({}, agents={})) as chosen:
        await chosen.reception.voice(voice())
        sales = chosen.agents["sales"]
        async with asyncio.timeout(2):
            await sales.asked.wait()
        assert sales.briefs[0].variables["plan"] == "gold"
        assert sales.briefs[0].first_message == "Hi."
        assert chosen.session.plan.agents == ("sales", "support", "backup")


async def test_a_store_that_is_away_does_not_cost_the_caller_the_call() -> None:
    """Taken from memory, and its stream admitted from memory."""
    async with Office(Store(away=True)) as alone:
        text = await alone.reception.voice(voice())
        assert await alone.reception.redeem(opened(grant(text))) is alone.session


# ------------------------------------------------------------ calls that we placed


async def test_an_answered_call_of_ours_goes_on_with_its_own_record(office: Office) -> None:
    """By the id that it was dialled as: what the dialler asked for holds, its limit too where it is the shorter."""
    limit = {"max_duration_s": 60, "variables": {"name": "Ann"}}
    record = kept(direction=Direction.OUTBOUND, from_number=OURS, to_number=PERSON, agent="sales", detail=limit)
    record.carrier_call_id = None
    office.store.keep(record)
    ours = voice(caller=OURS, called=PERSON, direction=Direction.OUTBOUND, call_status="in-progress")
    await office.reception.voice(ours, "call_kept")
    session = office.session
    assert session.record is record
    assert record.carrier_call_id == CALL
    assert session.plan.max_duration_s == 60
    assert session.plan.agents[0] == "sales"
    assert session.brief(resumed=False).variables["name"] == "Ann"


@pytest.mark.parametrize(
    "wrong", [{"to_number": "+15550111"}, {"carrier_call_id": OTHER}, {"from_number": "+15550111"}]
)
async def test_another_calls_record_is_never_taken(office: Office, wrong: dict[str, str]) -> None:
    """Neither of other numbers nor of a call that was answered already: the request gets a record of its own."""
    given = {"from_number": OURS, "to_number": PERSON, "carrier_call_id": None, **wrong}
    record = kept(direction=Direction.OUTBOUND, **given)
    office.store.keep(record)
    ours = voice(caller=OURS, called=PERSON, direction=Direction.OUTBOUND, call_status="in-progress")
    await office.reception.voice(ours, "call_kept")
    assert office.session.record.call_id != "call_kept"
    assert record.carrier_call_id == given["carrier_call_id"]


async def test_an_answered_call_of_ours_keeps_its_id_while_the_store_is_away() -> None:
    """Under another id the campaign would never hear of it, and two accounts of one call would be at odds for ever."""
    async with Office() as office:
        office.store.away = True
        ours = voice(caller=OURS, called=PERSON, direction=Direction.OUTBOUND, call_status="in-progress")
        await office.reception.voice(ours, "call_kept")
        record = office.session.record
        assert (record.call_id, record.carrier_call_id) == ("call_kept", CALL)
        assert (record.from_number, record.to_number) == (OURS, PERSON)


async def test_a_call_that_was_given_up_while_it_rang_is_hung_up(office: Office) -> None:
    """Its record has ended: who picks up all the same meets no agent."""
    record = kept(direction=Direction.OUTBOUND, from_number=OURS, to_number=PERSON, status=Status.CANCELED)
    office.store.keep(record)
    ours = voice(caller=OURS, called=PERSON, direction=Direction.OUTBOUND, call_status="in-progress")
    assert HANGUP in await office.reception.voice(ours, "call_kept")
    assert office.board.admitted == 0


# ------------------------------------------------------------ its stream


async def test_a_foreign_account_is_not_let_in_nor_does_it_use_up_the_grant(office: Office) -> None:
    """The rightful stream is still admitted afterwards."""
    token = grant(await office.reception.voice(voice()))
    assert await office.reception.redeem(opened(token, account="AC" + "9" * 32)) is None
    assert await office.reception.redeem(opened(token, call=OTHER)) is None
    assert await office.reception.redeem(opened(token)) is office.session


async def test_a_stream_that_comes_to_another_instance_brings_the_call_with_it(office: Office) -> None:
    """It goes on there, and the one that answered the webhook is told."""
    token = grant(await office.reception.voice(voice()))
    async with Office(office.store, instance="two") as other:
        session = await other.reception.redeem(opened(token))
        assert session is not None
        assert session.record.instance == "two"
        assert other.taken == [(session.record.call_id, "one")]
        assert session.plan.resumed is False


async def test_an_ended_call_is_not_woken_by_a_late_stream(office: Office) -> None:
    """The caller has hung up before the stream came: nobody is admitted, not elsewhere either."""
    token = grant(await office.reception.voice(voice()))
    office.session.handle(e.CarrierEnded(Reason.CALLER_HANGUP))
    assert await office.reception.redeem(opened(token)) is None


# ------------------------------------------------------------ what follows


async def test_a_lost_stream_is_replaced_while_the_session_is_here(office: Office) -> None:
    """A new grant with the next counter, the old socket let go; asked again it is the same answer."""
    session, phone = await office.connected()
    text = await office.reception.after(after(), 1, dialled=False)
    assert "n=2" in text
    assert phone.codes == [1000]
    assert session.phone_socket is None
    assert session.record.resumes == 1
    assert await office.reception.after(after(), 1, dialled=False) == text
    assert session.record.resumes == 1
    assert await office.reception.redeem(opened(grant(text))) is session


async def test_a_stream_is_replaced_so_often_then_the_fallback_has_the_call(office: Office) -> None:
    """The session ends as lost by the carrier, and the caller is not left alone."""
    session, _ = await office.connected()
    for counter in range(1, MAX_RESUMES + 1):
        assert "<Stream" in await office.reception.after(after(), counter, dialled=False)
    text = await office.reception.after(after(), MAX_RESUMES + 1, dialled=False)
    assert "<Stream" not in text
    assert HELPER in text
    assert session.record.outcome is Reason.CARRIER_LOST
    assert office.reception.has_hung_up(CALL)


@pytest.mark.parametrize(
    ("then", "words"),
    [("hangup", HANGUP), ("fallback", "Please hold the line."), ("message", "Call us back.")],
)
async def test_an_ended_call_is_followed_by_what_its_end_asked_for(office: Office, then: str, words: str) -> None:
    """Hung up, the line's fallback, or the words for a machine."""
    detail = {"then": then, "voicemail_message": "Call us back."}
    record = kept(detail=detail)
    record.finish(Reason.AGENT_HANGUP, datetime.now(UTC))
    office.reception.ended(record)
    text = await office.reception.after(after(), 1, dialled=False)
    assert words in text
    assert office.reception.has_hung_up(CALL)


@pytest.mark.parametrize("how", ["full", "unknown", "lost", "ended"])
async def test_a_browsers_caller_reaches_the_fallback_as_the_line(office: Office, how: str) -> None:
    """The carrier refuses to dial a number for an address without a caller id: the line's own is shown, whatever led there."""
    browser = "client:ada"
    if how == "full":
        office.board.leaving = office.board.draining = True
        text = await office.reception.voice(voice(caller=browser))
    else:
        record = kept(from_number=browser, status=Status.IN_PROGRESS, instance="one", resumes=MAX_RESUMES)
        if how == "ended":
            record.detail["then"] = "fallback"
            record.finish(Reason.AGENT_LOST, datetime.now(UTC))
        if how != "unknown":
            office.store.keep(record)
        text = await office.reception.after(after(caller=browser), 1, dialled=False)
    assert HELPER in text
    assert f'callerId="{OURS}"' in text


async def test_a_caller_who_has_hung_up_ends_the_session(office: Office) -> None:
    """The action's own CallStatus is the end; the answer is of no use to anybody."""
    session, _ = await office.connected()
    assert HANGUP in await office.reception.after(after(call_status="completed"), 1, dialled=False)
    assert session.record.outcome is Reason.CALLER_HANGUP
    assert office.reception.has_hung_up(CALL)


async def test_after_the_fallbacks_person_the_call_is_over(office: Office) -> None:
    """Whoever was dialled for an ended call is not followed by the fallback again."""
    record = kept(detail={"then": "fallback"})
    record.finish(Reason.AGENT_LOST, datetime.now(UTC))
    office.reception.ended(record)
    assert HELPER in await office.reception.after(after(), 1, dialled=False)
    assert HANGUP in await office.reception.after(after(dial_status="completed"), 2, dialled=True)


@pytest.mark.parametrize("why", ["busy", "no-answer", "failed", "canceled"])
async def test_a_caller_whose_fallback_does_not_answer_is_told_so(office: Office, why: str) -> None:
    """The last number did not answer either: words, then the end, and not a bare hang-up."""
    record = kept(detail={"then": "fallback"})
    record.finish(Reason.AGENT_LOST, datetime.now(UTC))
    office.reception.ended(record)
    text = await office.reception.after(after(dial_status=why), 2, dialled=True)
    assert "Please call again later" in text
    assert text.endswith("<Hangup/></Response>")
    gone = await office.reception.after(after(dial_status=why, call_status="completed"), 3, dialled=True)
    assert HANGUP in gone


async def test_a_call_whose_process_is_gone_is_taken_over(office: Office) -> None:
    """From the store: its agent is told that it goes on, and what a routing gave it."""
    record = kept(status=Status.IN_PROGRESS, instance="one", started_at=datetime.now(UTC))
    record.detail["variables"] = {"plan": "gold"}
    office.store.keep(record)
    text = await office.reception.after(after(), 1, dialled=False)
    session = office.session
    assert session.plan.resumed
    assert session.brief(resumed=True).variables["plan"] == "gold"
    assert record.resumes == 1
    assert await office.reception.redeem(opened(grant(text))) is session


async def test_a_resumed_call_has_its_limit_too(office: Office) -> None:
    """A record that was resumed often enough goes to the fallback, and has ended."""
    record = kept(status=Status.IN_PROGRESS, instance="one", resumes=MAX_RESUMES)
    office.store.keep(record)
    assert HELPER in await office.reception.after(after(), 4, dialled=False)
    assert record.outcome is Reason.CARRIER_LOST
    assert office.saved == [record]
    assert office.board.admitted == 0


async def test_a_caller_whom_nobody_took_is_not_a_lost_stream(office: Office) -> None:
    """Transfers that failed have a limit of their own: the agent still has the call after its third loss, not after a fourth."""
    record = kept(status=Status.IN_PROGRESS, instance="one", resumes=MAX_RESUMES)
    record.detail |= {"then": "transfer", "target": "desk"}
    office.store.keep(record)
    assert "<Dial" in await office.reception.after(after(), 4, dialled=False)
    assert "<Stream" in await office.reception.after(after(dial_status="busy"), 5, dialled=True)
    assert HELPER in await office.reception.after(after(), 6, dialled=False)
    assert record.outcome is Reason.CARRIER_LOST


async def test_an_end_that_is_still_being_written_is_waited_for(office: Office) -> None:
    """Another instance has closed the stream: the call is not called back while its end is on the way to the store."""
    record = kept(status=Status.IN_PROGRESS, instance="two")
    office.store.keep(record)
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 2:
            record.finish(Reason.AGENT_HANGUP, datetime.now(UTC))

    office.store.looked = look
    assert HANGUP in await office.reception.after(after(), 1, dialled=False)
    assert office.board.admitted == 0


async def test_a_call_that_nobody_knows_gets_the_lines_fallback(office: Office) -> None:
    """Also while the store is away: the caller hears something."""
    assert HELPER in await office.reception.after(after(), 1, dialled=False)
    office.store.away = True
    assert HELPER in await office.reception.after(after(OTHER), 1, dialled=False)
    assert "<Hangup/>" in await office.reception.after(
        after("CA" + "4" * 32, call_status="completed"), 1, dialled=False
    )


async def test_a_last_question_about_a_call_that_nobody_holds_closes_its_record(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is gone, and where no status callback is asked for the carrier says no more than this."""
    monkeypatch.setattr("bridge.web.reception.STATUS_SETTLING_S", 0.0)
    record = kept(status=Status.IN_PROGRESS, instance="gone", started_at=datetime.now(UTC))
    office.store.keep(record)
    closed = asyncio.Event()
    office.store.changed = closed.set
    assert HANGUP in await office.reception.after(after(call_status="completed"), 1, dialled=False)
    async with asyncio.timeout(2):
        await closed.wait()
    assert (record.outcome, record.status) == (Reason.PROCESS_LOST, Status.COMPLETED)
    office.store.away = True
    assert HANGUP in await office.reception.after(after(OTHER, call_status="completed"), 1, dialled=False)


async def test_of_two_answers_to_one_counter_the_first_stands(office: Office) -> None:
    """Another instance was asked the same before: its words are repeated."""
    session, _ = await office.connected()
    office.store.afters[session.record.call_id, 1] = "<the other's/>"
    assert await office.reception.after(after(), 1, dialled=False) == "<the other's/>"


# ------------------------------------------------------------ transfers


async def transferred(office: Office, target: str = "desk") -> CallRecord:
    """A call that the agent has let go of."""
    session, _ = await office.connected()
    session.handle(e.TransferRequested(target, Reason.AGENT_TRANSFERRED))
    assert session.machine.over
    return session.record


async def test_a_transferred_call_is_dialled_and_ends_with_the_person(office: Office) -> None:
    """Asked after the stream the person is dialled; asked after the person it is over, with success."""
    record = await transferred(office)
    text = await office.reception.after(after(), 1, dialled=False)
    assert HELPER in text
    assert "n=2" in text
    assert HANGUP in await office.reception.after(after(dial_status="completed"), 2, dialled=True)
    assert record.outcome is Reason.AGENT_TRANSFERRED


async def test_a_transfer_that_nobody_takes_comes_back_to_the_agent(office: Office) -> None:
    """A new stream, and the agent is told which place did not answer."""
    record = await transferred(office)
    office.store.keep(record)
    await office.reception.after(after(), 1, dialled=False)
    while office.board.active:
        await asyncio.sleep(0)
    text = await office.reception.after(after(dial_status="no-answer"), 2, dialled=True)
    assert "<Stream" in text
    assert record.outcome is None
    assert office.session.brief(resumed=True).variables["transfer_failed"] == "desk"


async def test_a_caller_who_hangs_up_while_it_rings_ends_the_transfer(office: Office) -> None:
    """Told by the action or by the status callback."""
    record = await transferred(office)
    await office.reception.after(after(), 1, dialled=False)
    assert HANGUP in await office.reception.after(
        after(call_status="completed", dial_status="canceled"), 2, dialled=True
    )
    assert record.outcome is Reason.CALLER_HANGUP


async def test_the_status_callback_ends_a_transfer(office: Office) -> None:
    """The person and the caller have talked until one hung up: nobody asks what follows."""
    office.reception.transfers.settle_s = 0.02
    record = await transferred(office)
    assert office.reception.unasked
    await office.reception.after(after(), 1, dialled=False)
    assert not office.reception.unasked
    await office.reception.status(status("in-progress"))
    assert record.outcome is None
    await office.reception.status(status("completed"))
    assert record.outcome is Reason.AGENT_TRANSFERRED


@pytest.mark.parametrize(("dialled", "reason"), [(True, Reason.AGENT_TRANSFERRED), (False, Reason.CALLER_HANGUP)])
async def test_the_end_of_a_transfer_may_be_told_to_another_instance(
    office: Office, monkeypatch: pytest.MonkeyPatch, dialled: bool, reason: Reason
) -> None:
    """Which knows it from the store alone: a call that was handed over is no call that was lost."""
    monkeypatch.setattr("bridge.web.reception.STATUS_SETTLING_S", 0.02)
    detail = {"then": "transfer", "target": "desk", "transfer_reason": "agent_transferred", "dialled": dialled}
    record = kept(instance="two", status=Status.IN_PROGRESS, started_at=datetime.now(UTC), detail=detail)
    office.store.keep(record)
    await office.reception.status(status("completed"))
    assert record.outcome is reason
    assert record.status is Status.COMPLETED


async def test_another_instance_may_be_asked_how_a_transfer_went(office: Office) -> None:
    """It fetches an agent for the caller whom nobody took, as the one would have done that began it."""
    detail = {"then": "transfer", "target": "desk", "transfer_reason": "agent_transferred", "dialled": True}
    record = kept(instance="two", status=Status.IN_PROGRESS, started_at=datetime.now(UTC), detail=detail)
    office.store.keep(record)
    text = await office.reception.after(after(dial_status="busy"), 2, dialled=True)
    assert "<Stream" in text
    assert record.outcome is None
    assert office.session.brief(resumed=True).variables["transfer_failed"] == "desk"


async def test_the_whisper_tells_what_the_call_is_about(office: Office) -> None:
    """The agent's summary; of an unknown call, or without a store, nothing is said and nothing fails."""
    office.store.keep(kept(detail={"transfer_summary": "Wants a <refund>."}))
    assert "Wants a &lt;refund&gt;." in await office.reception.whisper("call_kept")
    assert "Wants" not in await office.reception.whisper("call_other")
    office.store.away = True
    assert "Wants" not in await office.reception.whisper("call_kept")


# ------------------------------------------------------------ how it stands


async def test_a_status_callback_ends_the_session_it_is_about(office: Office) -> None:
    """And no other; one that tells of no end changes nothing."""
    await office.reception.voice(voice())
    await office.reception.status(status("in-progress"))
    await office.reception.status(status("completed", OTHER))
    assert office.session.record.outcome is None
    session = office.session
    await office.reception.status(status("completed"))
    assert session.record.outcome is Reason.CALLER_ABANDONED
    assert office.reception.has_hung_up(CALL)


async def test_a_status_of_a_call_that_is_not_here_moves_the_record_forward_only(office: Office) -> None:
    """In any order: a ringing after the answer is old news."""
    record = kept(direction=Direction.OUTBOUND, carrier_call_id=None, instance="one")
    office.store.keep(record)
    await office.reception.status(status("in-progress"), "call_kept")
    assert record.carrier_call_id == CALL
    await office.reception.status(status("ringing"), "call_kept")
    assert record.status is Status.IN_PROGRESS
    await office.reception.status(status("busy", direction=Direction.OUTBOUND), "call_kept")
    assert (record.status, record.outcome) == (Status.BUSY, Reason.BUSY)
    await office.reception.status(status("failed", direction=Direction.OUTBOUND), "call_kept")
    assert record.outcome is Reason.BUSY


@pytest.mark.parametrize("word", ["busy", "no-answer", "canceled", "failed"])
async def test_the_end_of_a_call_that_nobody_answered_waits_for_no_other_instance(
    office: Office, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """None can have its stream: it is written at once, and a campaign goes on to the next person."""
    monkeypatch.setattr("bridge.web.reception.STATUS_SETTLING_S", 3600.0)
    record = kept(direction=Direction.OUTBOUND, status=Status.RINGING, instance="worker")
    office.store.keep(record)
    async with asyncio.timeout(5):
        await office.reception.status(status(word, direction=Direction.OUTBOUND), "call_kept")
    assert record.outcome is not None


async def test_a_word_that_the_carrier_has_invented_since_changes_nothing(office: Office) -> None:
    """Nor does it fail."""
    record = kept(status=Status.RINGING, instance="one")
    office.store.keep(record)
    await office.reception.status(status("pondering"))
    assert record.status is Status.RINGING


async def test_the_status_of_another_call_is_not_this_ones(office: Office) -> None:
    """The record was proved to be of another CallSid: it is left alone."""
    record = kept(status=Status.RINGING, carrier_call_id=OTHER, instance="one")
    office.store.keep(record)
    await office.reception.status(status("completed"), "call_kept")
    assert record.outcome is None
    assert record.carrier_call_id == OTHER


async def test_a_call_that_had_begun_and_that_nobody_holds_was_lost_by_its_process(office: Office) -> None:
    """It is not counted as the caller's goodbye; one that never began is."""
    lost = kept(status=Status.IN_PROGRESS, instance="one", started_at=datetime.now(UTC))
    office.store.keep(lost)
    await office.reception.status(status("completed"))
    assert lost.outcome is Reason.PROCESS_LOST
    fresh = kept(call_id="call_2", carrier_call_id=OTHER, instance="one")
    office.store.keep(fresh)
    await office.reception.status(status("completed", OTHER))
    assert fresh.outcome is Reason.CALLER_HANGUP


async def test_whoever_counts_calls_is_told_of_one_that_the_carrier_alone_has_ended(office: Office) -> None:
    """Once, however often its end is told, and not of what does not end it."""
    told: list[str] = []
    office.reception.closed = lambda record: told.append(str(record.outcome))
    office.store.keep(kept(status=Status.IN_PROGRESS, instance="one", started_at=datetime.now(UTC)))
    for word in ("in-progress", "completed", "completed"):
        await office.reception.status(status(word))
    assert told == ["process_lost"]


async def test_an_ended_call_of_ours_is_not_written_again_by_its_status(office: Office) -> None:
    """The store is not asked for what was settled here."""
    record = kept()
    record.finish(Reason.AGENT_HANGUP, datetime.now(UTC))
    office.reception.ended(record)
    office.store.away = True
    await office.reception.status(status("completed"))
    assert record.outcome is Reason.AGENT_HANGUP
