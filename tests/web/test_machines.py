"""Who picked up."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from bridge.call.record import CallRecord, Direction, Status
from bridge.carriers.twilio.webhooks import MachineResult
from bridge.errors import CarrierFailure, Reason
from bridge.store.commands import Command
from bridge.web.answers import Answers, Words
from bridge.web.machines import MACHINE, Machines, verdict
from bridge.web.presence import Presence
from tests.web.desk import CALL, Office, kept, voice

WORDS = {"machine_detection": "leave_message", "voicemail_message": "Call us <back>."}


class Carrier:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.redirected: list[str] = []
        self.ended: list[str] = []
        self.fails = False

    async def redirect(self, call_id: str, *, twiml: str | None = None) -> None:
        """Other TwiML."""
        self.redirected.append(twiml or "")
        if self.fails:
            raise CarrierFailure("no")

    async def end(self, call_id: str) -> None:
        """Hung up."""
        if self.fails:
            raise CarrierFailure("no")
        self.ended.append(call_id)


class Post:
    """The mailboxes of instances, and which of them live."""

    def __init__(self, alive: set[str]) -> None:
        self.put_in: list[tuple[str, Command]] = []
        self._alive = alive

    async def put(self, command: Command, *, instance: str) -> None:
        """Keep it."""
        self.put_in.append((instance, command))

    async def alive(self, instance: str) -> bool:
        """Whether it gives a sign of life."""
        return instance in self._alive


def found(by: str) -> MachineResult:
    """What the detection says."""
    return MachineResult(call_sid=CALL, answered_by=by, duration_ms=2500)


def machines(office: Office, carrier: Carrier, post: Post | None = None) -> Machines:
    """The callback, on the instance called one."""
    post = post or Post(set())
    answers = Answers("https://bridge.example.com", words=Words(language="de-DE"))
    return Machines(
        Presence(office.board, office.store, "one"),
        office.store,
        carrier,
        post,
        "one",
        post.alive,
        answers,
        office.store.get,
        settle_s=0.05,
    )


async def test_a_person_is_noted_and_left_alone() -> None:
    """The conversation goes on."""
    async with Office() as office:
        session, _ = await office.connected()
        await machines(office, Carrier()).told(found("human"))
        assert session.record.outcome is None
        assert session.record.detail["answered_by"] == "human"
        event = session.record.events[-1]
        assert (event["type"], event["answered_by"], event["detection_ms"]) == ("answered_by", "human", 2500)


@pytest.mark.parametrize(
    ("by", "detail", "reason", "then"),
    [
        ("machine_end_beep", WORDS, Reason.MESSAGE_LEFT, "message"),
        ("machine_start", WORDS, Reason.MACHINE_HANGUP, "hangup"),
        ("fax", WORDS, Reason.MACHINE_HANGUP, "hangup"),
        ("machine_end_beep", {}, Reason.MACHINE_HANGUP, "hangup"),
        ("machine_end_beep", {**WORDS, "voicemail_message": ""}, Reason.MACHINE_HANGUP, "hangup"),
        ("machine_end_beep", {**WORDS, "machine_detection": "hangup"}, Reason.MACHINE_HANGUP, "hangup"),
    ],
)
async def test_a_machine_ends_the_agents_part(by: str, detail: dict[str, str], reason: Reason, then: str) -> None:
    """A message is left where one was asked for and the beep was heard; else it is hung up."""
    async with Office() as office:
        session, _ = await office.connected()
        session.record.detail.update(detail)
        carrier = Carrier()
        await machines(office, carrier).told(found(by))
        assert session.record.outcome is reason
        assert office.closings[-1].then == then
        assert (carrier.redirected, carrier.ended) == ([], [])
        assert verdict(session.record, found(by)) is reason


def placed(office: Office, **more: object) -> CallRecord:
    """A call of another instance."""
    record = kept(direction=Direction.OUTBOUND, status=Status.IN_PROGRESS, **{"instance": "two", **more})
    office.store.keep(record)
    return record


@pytest.mark.parametrize("by", ["fax", "human", "machine_end_beep"])
async def test_the_instance_that_has_the_call_is_told(by: str) -> None:
    """It ends its own part as if the carrier had asked it: neither the record nor the line is touched from here."""
    async with Office() as office, Office() as theirs:
        record, carrier, post = placed(office, detail=dict(WORDS)), Carrier(), Post(alive={"two"})
        await machines(office, carrier, post).told(found(by))
        assert (record.outcome, carrier.redirected, carrier.ended) == (None, [], [])
        ((instance, command),) = post.put_in
        assert (instance, command.call_id, command.verb) == ("two", record.call_id, MACHINE)
        session, _ = await theirs.connected()
        await machines(theirs, carrier).obey(session, msgspec.json.decode(msgspec.json.encode(command.args)))
        assert session.record.detail["answered_by"] == by
        assert (session.record.outcome is None) == (by == "human")


async def test_a_call_that_no_process_has_is_ended_at_the_carrier() -> None:
    """What picked up is in its record, and the outcome once the carrier has agreed."""
    async with Office() as office:
        record, carrier = placed(office), Carrier()
        await machines(office, carrier).told(found("fax"))
        assert record.outcome is Reason.MACHINE_HANGUP
        assert carrier.ended == [CALL]
        assert record.detail["answered_by"] == "fax"


async def test_a_message_is_left_for_a_call_that_no_process_has() -> None:
    """By other TwiML, with the words escaped."""
    async with Office() as office:
        record, carrier = placed(office, detail=dict(WORDS)), Carrier()
        await machines(office, carrier).told(found("machine_end_silence"))
        assert record.outcome is Reason.MESSAGE_LEFT
        assert '<Say language="de-DE">Call us &lt;back&gt;.</Say><Hangup/>' in carrier.redirected[0]
        assert carrier.ended == []


@pytest.mark.parametrize("by", ["fax", "machine_end_beep"])
async def test_what_the_carrier_refuses_is_no_outcome(by: str) -> None:
    """The call goes on as far as anybody knows; the callback does not fail for it, and what picked up is kept."""
    async with Office() as office:
        record, carrier = placed(office, detail=dict(WORDS)), Carrier()
        carrier.fails = True
        await machines(office, carrier).told(found(by))
        assert record.outcome is None
        assert record.status is Status.IN_PROGRESS
        assert record.detail["answered_by"] == by


async def test_a_person_who_has_the_call_by_now_keeps_it() -> None:
    """A machine that is detected after the transfer hangs up on nobody."""
    async with Office() as office:
        record, carrier = placed(office, detail={**WORDS, "then": "transfer"}), Carrier()
        await machines(office, carrier).told(found("machine_start"))
        assert record.outcome is None
        assert (carrier.redirected, carrier.ended) == ([], [])


async def test_a_call_that_is_being_taken_over_is_not_overlooked() -> None:
    """The store takes it for ours still: whoever has it by then is told."""
    async with Office() as office:
        record, carrier, post = placed(office, instance="one", detail=dict(WORDS)), Carrier(), Post(alive={"two"})
        told = asyncio.create_task(machines(office, carrier, post).told(found("machine_end_beep")))
        await asyncio.sleep(0)
        record.instance = "two"
        await told
        assert [instance for instance, _ in post.put_in] == ["two"]
        assert (carrier.redirected, carrier.ended) == ([], [])


async def test_told_twice_is_told_once() -> None:
    """The message is being spoken, and the store learns a moment later that the agent's part is over: nothing cuts it off."""
    async with Office() as office:
        record, carrier = placed(office, instance="one", detail=dict(WORDS)), Carrier()
        told = asyncio.create_task(machines(office, carrier).told(found("machine_end_beep")))
        await asyncio.sleep(0)
        record.finish(Reason.MESSAGE_LEFT, datetime.now(UTC))
        await told
        assert (carrier.redirected, carrier.ended) == ([], [])


async def test_nothing_is_done_to_an_ended_or_unknown_call_or_to_a_person() -> None:
    """The carrier is not asked; other messages than the detection's are ignored."""
    async with Office() as office:
        carrier = Carrier()
        subject = machines(office, carrier)
        await subject.told(found("fax"))
        record = placed(office)
        await subject.told(found("human"))
        assert record.outcome is None
        record.status = Status.COMPLETED
        await subject.told(found("fax"))
        await subject.told("something else")
        assert record.outcome is None
        assert (carrier.redirected, carrier.ended) == ([], [])


@pytest.mark.parametrize("by", ["machine_start", "machine_end_beep"])
async def test_a_call_that_has_gone_to_another_instance_is_judged_there(by: str) -> None:
    """This one has its session still, and has not been told: a verdict on that would end nothing and leave no message."""
    async with Office() as office:
        await office.reception.voice(voice())
        session = office.session
        office.store.keep(replace(session.record, instance="two", status=Status.IN_PROGRESS))
        carrier, post = Carrier(), Post(alive={"two"})
        await machines(office, carrier, post).told(found(by))
        assert [(instance, command.verb) for instance, command in post.put_in] == [("two", MACHINE)]
        assert (office.closings, session.record.outcome) == ([], None)
