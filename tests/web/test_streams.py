"""A media stream replaced while the agent stays."""

import re
import time
from collections.abc import Callable

import pytest

from bridge.call import events as e
from bridge.call.state import Leg
from bridge.errors import CarrierFailure
from bridge.runtime.session import CallSession
from bridge.web.answers import Answers
from bridge.web.grants import GrantOffice
from bridge.web.streams import HOLD_S, StreamChange, left_held
from tests.web.desk import ACCOUNT, CALL, Office, Phone, after, grant, kept, opened


class Carrier:
    """Takes TwiML, and what it saw of the call at that moment."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.fails = False
        self.session: CallSession | None = None
        self.events: list[str] = []
        self.meanwhile: Callable[[str], None] = lambda twiml: None  # what happens while the request is under way

    async def __call__(self, call_id: str, *, twiml: str | None = None, url: str | None = None) -> None:
        """Other TwiML for a live call."""
        assert self.session is not None
        twiml = twiml or f"from {url}"
        self.meanwhile(twiml)
        self.events = [event["type"] for event in self.session.record.events]
        if self.fails:
            raise CarrierFailure("no")
        self.told.append((call_id, twiml))


async def begun(office: Office) -> tuple[CallSession, Phone, StreamChange, Carrier]:
    """A call in progress, and what changes its stream."""
    session, phone = await office.connected()
    carrier = Carrier()
    carrier.session = session
    grants = GrantOffice(office.store)
    change = StreamChange(ACCOUNT, Answers("https://bridge.example.com"), grants, carrier, office.saved.append)
    return session, phone, change, carrier


async def test_keys_are_pressed_and_then_the_call_streams_again() -> None:
    """In this order, with a grant that is valid and the next counter; the record is saved with it."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        await change.press(session, "12w#")
        ((call, text),) = carrier.told
        assert call == CALL
        assert text.index('digits="12w#"') < text.index("<Stream")
        assert "n=2" in text
        assert session.record.detail["counter"] == 2
        assert office.saved[-1] is session.record
        assert await office.reception.redeem(opened(grant(text))) is session
        await change.press(session, "1")
        assert "n=3" in carrier.told[1][1]


async def test_what_is_no_key_is_not_pressed() -> None:
    """The carrier is not asked, the call goes on."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        with pytest.raises(ValueError, match="digits"):
            await change.press(session, "<Hangup/>")
        assert carrier.told == []
        assert session.facts["counter"] == 1


async def test_the_stream_is_promised_before_the_carrier_is_asked() -> None:
    """Its stop comes while the request is under way, and is no hang-up."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        await change.press(session, "1")
        assert "stream_promised" in carrier.events
        session.handle(e.PhoneClosed(orderly=True))
        assert not session.machine.over


async def test_a_carrier_that_refuses_leaves_the_old_stream_in_use() -> None:
    """What is queued there is cleared (it is sent again), and the agent is heard as before."""
    async with Office() as office:
        session, phone, change, carrier = await begun(office)
        carrier.fails = True
        with pytest.raises(CarrierFailure):
            await change.press(session, "1")
        assert e.ClearAudio() in phone.sent
        assert session.record.events[-1]["type"] == "stream_replaced"
        assert session.record.outcome is None


async def test_an_old_stream_that_has_gone_meanwhile_is_not_restored() -> None:
    """The carrier did carry it out, and only its answer was lost: the new stream is waited for."""
    async with Office() as office:
        session, phone, change, carrier = await begun(office)
        carrier.fails = True
        session.phone_socket = None
        with pytest.raises(CarrierFailure):
            await change.press(session, "1")
        assert phone.sent == []
        assert session.record.events[-1]["type"] == "stream_promised"


async def test_what_the_old_stream_asks_is_answered_once_more() -> None:
    """An action with the old counter gets a stream: the caller is never left without."""
    async with Office() as office:
        session, _, change, _ = await begun(office)
        await change.press(session, "1")
        assert "<Stream" in await office.reception.after(after(), 2, dialled=False)
        assert session.record.outcome is None


async def test_a_held_call_streams_again_by_itself() -> None:
    """Words and silence for a bounded time, and then a stream whose grant is valid until long after that."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        assert not change.held(session)
        await change.hold(session)
        ((_, text),) = carrier.told
        silence = sum(int(seconds) for seconds in re.findall(r'<Pause length="(\d+)"', text))
        assert 60 < silence <= HOLD_S <= 120
        assert text.index("<Say>") < text.rindex("<Pause") < text.index("<Stream")
        assert change.held(session)
        assert await office.reception.redeem(opened(grant(text))) is session
        session.handle(opened(grant(text)))
        assert not change.held(session)


async def test_a_grant_lives_as_long_as_what_comes_before_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten hold comes back by a stream that is admitted; two minutes later it would not be."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        await change.hold(session)
        token = grant(carrier.told[0][1])
        real = time.monotonic
        monkeypatch.setattr("bridge.web.grants.time.monotonic", lambda: real() + HOLD_S + 30)
        proof = {"carrier_call_id": CALL, "account_id": ACCOUNT}
        assert await change.grants.redeem(token, **proof) == session.record.call_id


async def test_a_held_call_is_resumed_with_another_stream() -> None:
    """At once, with a grant of its own and the next counter; it is held no longer."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        await change.hold(session)
        await change.resume(session)
        (_, held), (call, text) = carrier.told
        assert call == CALL
        assert "<Say" not in text
        assert "<Pause" not in text
        assert "n=3" in text
        assert grant(text) != grant(held)
        assert not change.held(session)
        assert await office.reception.redeem(opened(grant(text))) is session


async def test_a_call_that_cannot_be_held_goes_on() -> None:
    """The carrier refuses: the old stream is in use, and there is nothing to resume."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        carrier.fails = True
        with pytest.raises(CarrierFailure):
            await change.hold(session)
        assert not change.held(session)
        assert session.record.events[-1]["type"] == "stream_replaced"


async def test_a_call_that_cannot_be_resumed_is_held_on() -> None:
    """The dead stream is not taken for a live one, and the call can be resumed later."""
    async with Office() as office:
        session, phone, change, carrier = await begun(office)
        await change.hold(session)
        carrier.fails = True
        with pytest.raises(CarrierFailure):
            await change.resume(session)
        assert change.held(session)
        assert phone.sent == []
        carrier.fails = False
        await change.resume(session)
        assert not change.held(session)


async def test_a_forgotten_hold_that_comes_back_while_it_is_resumed_is_replaced_all_the_same() -> None:
    """Its own stream opens and is stopped while the carrier is asked: that is no hang-up, and the resumed one is taken."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        await change.hold(session)
        held = carrier.told[0][1]

        def comes_back(twiml: str) -> None:
            phone = Phone()
            session.attach_phone(phone, phone, opened(grant(held)))  # type: ignore[arg-type]
            session.handle(e.PhoneClosed(orderly=True))

        carrier.meanwhile = comes_back
        await change.resume(session)
        assert session.machine.call.phone is Leg.AWAY
        assert session.record.events[-1]["type"] == "stream_promised"
        phone = Phone()
        session.attach_phone(phone, phone, opened(grant(carrier.told[1][1])))  # type: ignore[arg-type]
        assert session.machine.call.phone is Leg.OPEN
        assert session.record.outcome is None


async def test_a_resumed_stream_may_open_before_the_carrier_has_answered() -> None:
    """It is the one that was promised."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        await change.hold(session)

        def opens(twiml: str) -> None:
            phone = Phone()
            session.attach_phone(phone, phone, opened(grant(twiml)))  # type: ignore[arg-type]

        carrier.meanwhile = opens
        await change.resume(session)
        assert session.machine.call.phone is Leg.OPEN


async def test_a_hold_that_came_back_while_it_could_not_be_resumed_goes_on() -> None:
    """The carrier refuses, and the stream that opened by itself meanwhile is the one in use."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        await change.hold(session)
        held = carrier.told[0][1]

        def comes_back(twiml: str) -> None:
            phone = Phone()
            session.attach_phone(phone, phone, opened(grant(held)))  # type: ignore[arg-type]

        carrier.meanwhile = comes_back
        carrier.fails = True
        with pytest.raises(CarrierFailure):
            await change.resume(session)
        assert session.machine.call.phone is Leg.OPEN
        assert not change.held(session)


async def test_a_held_call_that_no_process_has_is_asked_about_again() -> None:
    """The carrier asks what follows the hold's own stream, which never came: who is asked takes the call."""
    async with Office() as office:
        session, _, change, carrier = await begun(office)
        await change.hold(session)
        await change.take_up(session.record)
        counter = session.record.detail["counter"]
        assert carrier.told[-1][0] == CALL
        assert carrier.told[-1][1].startswith(f"from https://bridge.example.com/twilio/after?n={counter}#")


def test_a_record_tells_whether_its_caller_waits() -> None:
    """Until a stream is there again, whatever else has happened."""
    record = kept()
    found = []
    for kind in ("stream_started", "held", "dtmf", "stream_replaced", "held", "agent_lost"):
        record.add_event(kind, 1)
        found.append(left_held(record))
    assert found == [False, True, True, False, True, True]
