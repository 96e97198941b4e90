"""Callers whose stream is away: the carrier is asked whether they are there still."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from bridge.call import events as e
from bridge.call.record import Status
from bridge.errors import CarrierFailure, Reason
from bridge.runtime.absentees import ASKED, Absentees
from bridge.runtime.session import CallSession
from bridge.runtime.switchboard import Limits
from tests.web.desk import CALL, Office, Phone, grant, opened, voice


@dataclass
class Facts:
    """What the carrier says."""

    status: Status | None
    ended_at: datetime | None = None


@dataclass
class Carrier:
    """Knows how calls stand."""

    facts: Facts | None = field(default_factory=lambda: Facts(Status.IN_PROGRESS))
    fails: bool = False
    asked: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    async def fetch(self, call_id: str) -> Facts | None:
        """How one stands."""
        self.asked.append(call_id)
        self.meanwhile()
        if self.fails:
            raise CarrierFailure("no")
        return self.facts


def held(session: CallSession) -> None:
    """Its stream is taken away, for as long as a hold may last."""
    session.handle(e.StreamPromised(135.0, ours=True))


async def test_a_caller_who_has_hung_up_while_held_ends_the_call() -> None:
    """The carrier knows it where no callback tells of it: the agent is let go at once, and the caller has hung up."""
    async with Office() as office:
        session, _ = await office.connected()
        carrier = Carrier(Facts(Status.COMPLETED))
        absentees = Absentees(lambda: office.board.sessions, carrier)
        held(session)
        await absentees.look()
        assert carrier.asked == [CALL]
        assert session.machine.over
        assert (session.record.outcome, session.record.status) == (Reason.CALLER_HANGUP, Status.COMPLETED)


@pytest.mark.parametrize("facts", [None, Facts(None), Facts(Status.IN_PROGRESS), Facts(Status.RINGING)])
async def test_a_caller_who_is_there_is_left_in_peace(facts: Facts | None) -> None:
    """So is one of whom the carrier says nothing that is known here; the next look asks again."""
    async with Office() as office:
        session, _ = await office.connected()
        carrier = Carrier(facts)
        absentees = Absentees(lambda: office.board.sessions, carrier)
        held(session)
        await absentees.look()
        await absentees.look()
        assert carrier.asked == [CALL, CALL]
        assert not session.machine.over


async def test_a_call_that_streams_is_not_asked_about() -> None:
    """Its socket tells when the caller goes."""
    async with Office() as office:
        await office.connected()
        carrier = Carrier(Facts(Status.COMPLETED))
        await Absentees(lambda: office.board.sessions, carrier).look()
        assert carrier.asked == []


async def test_a_call_that_came_back_while_the_carrier_was_asked_goes_on() -> None:
    """Its new stream is younger than the answer."""
    async with Office() as office:
        session, phone = await office.connected()
        carrier = Carrier(Facts(Status.COMPLETED))
        carrier.meanwhile = lambda: session.attach_phone(phone, phone, opened(""))  # type: ignore[arg-type]
        held(session)
        await Absentees(lambda: office.board.sessions, carrier).look()
        assert carrier.asked == [CALL]
        assert not session.machine.over


async def test_a_carrier_that_does_not_answer_is_asked_again_at_the_next_look() -> None:
    """About nobody else in this one: each would wait as long."""
    async with Office() as office:
        sessions = [await on_hold(office, number) for number in range(3)]
        carrier = Carrier(Facts(Status.COMPLETED), fails=True)
        absentees = Absentees(lambda: office.board.sessions, carrier)
        await absentees.look()
        assert len(carrier.asked) == 1
        carrier.fails = False
        await absentees.look()
        assert all(each.machine.over for each in sessions)


async def test_every_call_has_its_turn() -> None:
    """However many are held, one look asks about so many and no more, and the next one about the others."""
    async with Office(limits=Limits(max_calls=2 * ASKED, max_calls_per_caller=2 * ASKED)) as office:
        for number in range(ASKED + 5):
            await on_hold(office, number)
        carrier = Carrier()
        absentees = Absentees(lambda: office.board.sessions, carrier)
        await absentees.look()
        assert len(carrier.asked) == ASKED
        await absentees.look()
        assert len(carrier.asked) == 2 * ASKED
        assert len(set(carrier.asked)) == ASKED + 5


async def on_hold(office: Office, number: int) -> CallSession:
    """One more call whose caller waits."""
    call = f"CA{number:032x}"
    token = grant(await office.reception.voice(voice(call)))
    session = await office.reception.redeem(opened(token, call=call))
    assert session is not None
    await session.started.wait()
    phone = Phone()
    session.attach_phone(phone, phone, opened("", call=call))  # type: ignore[arg-type]
    held(session)
    return session
