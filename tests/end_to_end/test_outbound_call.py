"""Calls that the bridge places, from the request to the outcome, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.app import House
from bridge.call.record import CallRecord
from tests.standins import sound
from tests.standins.twilio import Carrier, Person, PhoneCall, TwilioRest, failing
from tests.standins.xuna import Xuna
from tests.support.house import API_KEY, PUBLIC, configuration, running

THEM, US = "+12125550123", "+15550100"
FIRST = "This is an automatic call of the clinic's."
OUTBOUND = f'[outbound]\nallowed_prefixes = ["+1"]\ncalls_per_second = 100\nfirst_line = "{FIRST}"\n'


@dataclass
class World:
    """A bridge, its carrier and its agent."""

    house: House
    carrier: Carrier
    rest: TwilioRest
    xuna: Xuna
    http: aiohttp.ClientSession

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        """A request to the operator API."""
        url = f"http://127.0.0.1:{self.house.port}/api/v1{path}"
        async with self.http.post(url, json=body, headers={"Authorization": f"Bearer {API_KEY}", **headers}) as answer:
            return answer.status, json.loads(await answer.text()), dict(answer.headers)

    async def place(self, **more: Any) -> str:
        """A call that is accepted: its id."""
        status, body, _ = await self.post("/calls", {"to": THEM, "from": US, **more})
        assert status == 202, body
        return str(body["call_id"])

    async def record(self, call_id: str, *, ended: bool = True) -> CallRecord:
        """The record, once it is as wanted."""
        async with asyncio.timeout(10):
            while True:
                found = await self.house.calls.get(call_id)
                if found is not None and found.status.terminal is ended:
                    return found
                await asyncio.sleep(0.02)

    async def dialled(self, count: int = 1) -> PhoneCall:
        """The newest call, once there are so many."""
        await self.carrier.pulse.until(lambda: len(self.carrier.calls) >= count, "a call to be dialled")
        return self.carrier.calls[-1]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """All of it on loopback."""
    async with Xuna() as xuna, Carrier(public_url=PUBLIC) as carrier, TwilioRest(carrier) as rest:
        rest.people[THEM] = Person(rings=0.1)
        agent = f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\nbase_url = "{xuna.url}"\n'
        text = configuration(tmp_path, agent, lines=f'[[lines]]\nnumber = "{US}"\nagent = "support"\n', more=OUTBOUND)
        text = text.replace("http://127.0.0.1:9", rest.url)
        async with running(tmp_path, text, worker=True) as house, aiohttp.ClientSession() as http:
            carrier._hosts[PUBLIC.removeprefix("https://")] = f"127.0.0.1:{house.port}"
            yield World(house, carrier, rest, xuna, http)
            await carrier.pulse.until(lambda: all(call.over for call in carrier.calls), "every call to end")


async def test_a_placed_call_reaches_the_person_and_the_agent(world: World) -> None:
    """The person answers, hears the agent, and the agent knows whom it speaks to and what the request said."""
    call_id = await world.place(variables={"name": "Ada", "call_id": "mine"}, first_message="Hello Ada!")
    session = await world.xuna.session()
    call = await world.dialled()
    await call.streaming()
    await session.say(sound.tone(0.5, rate=16000), text="Hello Ada!")
    await call.hears(0.4)
    assert session.variables["phone_number"] == THEM
    assert session.variables["name"] == "Ada"
    assert session.variables["call_id"] == call_id
    assert session.variables["direction"] == "outbound"
    await session.close(1000)
    record = await world.record(call_id)
    assert (record.status, record.outcome) == ("completed", "agent_hangup")
    assert record.carrier_call_id == call.sid


async def test_who_calls_is_said_before_the_agent_speaks(world: World) -> None:
    """By the carrier, before there is a stream: no prompt can talk the agent out of it."""
    call_id = await world.place()
    session = await world.xuna.session()
    call = await world.dialled()
    await call.streaming()
    assert call.said == [FIRST]
    await session.close(1000)
    await world.record(call_id)


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [("busy", "busy", "busy"), ("no-answer", "no_answer", "no_answer"), ("failed", "failed", "carrier_failed")],
)
async def test_a_call_that_is_not_answered_says_why(world: World, outcome: str, status: str, reason: str) -> None:
    """Busy, no answer and failed are outcomes of their own, with the network's answer in words."""
    world.rest.people[THEM] = Person(outcome, rings=0.02)
    record = await world.record(await world.place())
    assert (record.status, record.outcome) == (status, reason)
    assert record.outcome_detail


async def test_a_refusal_of_the_carrier_is_explained(world: World) -> None:
    """What the carrier refuses is never tried again, and the record says what is wrong."""
    world.rest.fault("create_call", **failing(400, 21215))
    record = await world.record(await world.place())
    assert (record.status, record.outcome) == ("failed", "carrier_refused")
    assert "region" in record.outcome_detail
    assert not world.carrier.calls


async def test_the_same_key_is_one_call(world: World) -> None:
    """However often a request is repeated with its key, one call is placed; with another body it is refused."""
    body = {"to": THEM, "from": US}
    answers = [await world.post("/calls", body, **{"Idempotency-Key": "k1"}) for _ in range(3)]
    assert {status for status, _, _ in answers} == {202}
    assert len({made["call_id"] for _, made, _ in answers}) == 1
    status, _, _ = await world.post("/calls", {**body, "agent": "support"}, **{"Idempotency-Key": "k1"})
    assert status == 409
    await world.dialled()
    await (await world.dialled()).streaming()
    await world.carrier.calls[0].hang_up()
    assert len(world.carrier.calls) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"to": "12125550123"},
        {"to": "+442071234567"},
        {"to": "+19005551234"},
        {"to": "+18765550123"},
        {"to": US},
        {"to": "+1911"},
        {"from": "+15550199"},
        {"agent": "nobody"},
        {"machine_detection": "leave_message"},
        {"not_before": "tomorrow"},
        {"variables": {"a name": "mine"}},
        {"colour": "red"},
    ],
)
async def test_what_cannot_be_is_refused_before_the_carrier_is_asked(world: World, more: dict[str, Any]) -> None:
    """422 with a remedy, and no request to the carrier."""
    status, body, _ = await world.post("/calls", {"to": THEM, "from": US, **more})
    assert status == 422
    assert body["remedy"]
    assert not world.carrier.calls


async def test_nobody_without_a_key_places_calls(world: World) -> None:
    """401, and nothing is dialled."""
    status, _, _ = await world.post("/calls", {"to": THEM, "from": US}, Authorization="Bearer wrong-key-0123456789")
    assert status == 401
    assert not world.carrier.calls


async def test_a_draining_bridge_places_no_calls(world: World) -> None:
    """503 while draining."""
    world.house.switchboard.draining = True
    status, _, headers = await world.post("/calls", {"to": THEM, "from": US})
    world.house.switchboard.draining = False
    assert status == 503
    assert int(headers["Retry-After"]) > 0


async def test_a_call_is_canceled_before_it_is_answered(world: World) -> None:
    """A queued or ringing call that is given up never reaches the person."""
    world.rest.people[THEM] = Person(rings=5)
    call_id = await world.place()
    call = await world.dialled()
    await world.house.rest.cancel(call.sid)
    record = await world.record(call_id)
    assert (record.status, record.outcome) == ("canceled", "canceled")
    assert call.answered_at is None


async def test_a_call_lasts_no_longer_than_asked(world: World) -> None:
    """``max_duration_s`` of the request bounds the call."""
    call_id = await world.place(max_duration_s=10)
    call = await world.dialled()
    await call.streaming()
    assert world.house.switchboard.find(call_id).plan.max_duration_s == 10
    await call.hang_up()
    await world.record(call_id)


@pytest.mark.parametrize(
    ("mode", "reason", "said"),
    [("leave_message", "message_left", [FIRST, "Please call us back."]), ("detect", "machine_hangup", [FIRST])],
)
async def test_a_machine_gets_the_message_or_nothing(world: World, mode: str, reason: str, said: list[str]) -> None:
    """After the beep the message is left and the agent is gone; without one the line is hung up."""
    world.rest.people[THEM] = Person(rings=0.02, answered_by="machine", detected_after=0.3)
    call_id = await world.place(machine_detection=mode, voicemail_message="Please call us back.")
    call = await world.dialled()
    await call.streaming()
    record = await world.record(call_id)
    assert await call.ended() == "completed"
    assert (record.status, record.outcome) == ("completed", reason)
    assert call.said == said
    assert [each["answered_by"] for each in record.events if each["type"] == "answered_by"] == [
        "machine_end_beep" if mode == "leave_message" else "machine_start"
    ]


async def test_a_person_is_not_disturbed_by_the_detection(world: World) -> None:
    """The agent is there before anybody knows who picked up, and a person hears nothing of it."""
    world.rest.people[THEM] = Person(rings=0.02, answered_by="human", detected_after=0.3)
    call_id = await world.place(machine_detection="detect")
    call = await world.dialled()
    await call.streaming()
    await world.carrier.pulse.until(lambda: bool(call.webhooks("amd")), "the detection's callback")
    record = await world.record(call_id, ended=False)
    assert record.outcome is None
    await call.hang_up()
    await world.record(call_id)


async def test_an_operator_gives_up_a_call_before_it_is_answered(world: World) -> None:
    """By our own id: the phone stops ringing, nobody talks, and a second order is told that it is over."""
    world.rest.people[THEM] = Person(rings=30)
    call_id = await world.place()
    call = await world.dialled()
    await world.carrier.pulse.until(lambda: call.status == "ringing", "it to ring")
    async with asyncio.timeout(10):
        while (await world.record(call_id, ended=False)).carrier_call_id is None:
            await asyncio.sleep(0.02)
    status, _, _ = await world.post(f"/calls/{call_id}/hangup", {})
    assert status == 202
    assert await call.ended() == "canceled"
    record = await world.record(call_id)
    assert (record.status, record.outcome) == ("canceled", "canceled")
    assert call.answered_at is None
    assert (await world.post(f"/calls/{call_id}/hangup", {}))[0] == 409


async def test_an_operator_hangs_up_a_call_that_was_answered(world: World) -> None:
    """The line is closed, and whose doing it was is in the record."""
    call_id = await world.place()
    session = await world.xuna.session()
    call = await world.dialled()
    await call.streaming()
    await session.say(sound.tone(0.3, rate=16000))
    await call.hears(0.2)
    status, _, _ = await world.post(f"/calls/{call_id}/hangup", {})
    assert status == 202
    assert await call.ended() == "completed"
    record = await world.record(call_id)
    assert record.outcome is not None
    assert (record.status, record.outcome.side) == ("completed", "operator")


async def test_an_operator_gives_up_a_call_that_waits_for_its_time(world: World) -> None:
    """It is never dialled."""
    call_id = await world.place(not_before=_soon(3600))
    status, _, _ = await world.post(f"/calls/{call_id}/hangup", {})
    assert status == 202
    record = await world.record(call_id)
    assert (record.status, record.outcome) == ("canceled", "canceled")
    assert not world.carrier.calls


async def test_who_wants_no_more_calls_gets_none(world: World) -> None:
    """Said in any call, campaign or not, in whatever language: from then on nobody calls the number."""
    call_id = await world.place()
    session = await world.xuna.session()
    call = await world.dialled()
    await call.streaming()
    await session.say(sound.tone(0.3, rate=16000))
    await call.hears(0.2)
    await session.user_transcript("Please never call me again.")
    await session.close(1000)
    await world.record(call_id)
    async with asyncio.timeout(10):
        while True:
            status, body, _ = await world.post("/calls", {"to": THEM, "from": US})
            if status == 422:
                break
            await world.post(f"/calls/{body['call_id']}/hangup", {})
            await asyncio.sleep(0.05)
    assert "suppression" in body["remedy"]


async def test_callbacks_in_any_order_and_twice_tell_one_story(world: World) -> None:
    """The end first, then what went before it, each two times: the record only moves forward."""
    world.rest.people[THEM] = Person("busy", rings=0.05)
    world.carrier.lost_callbacks = {"status"}
    call_id = await world.place()
    call = await world.dialled()
    assert await call.ended() == "busy"
    base = [pair for pair in call.form() if pair[0] != "CallStatus"]
    told = [("busy", "3"), ("ringing", "1"), ("initiated", "0"), ("busy", "3"), ("ringing", "1"), ("in-progress", "2")]
    for status, number in told:
        form = [*base, ("CallStatus", status), ("SequenceNumber", number), ("CallbackSource", "call-progress-events")]
        exchange = await world.carrier.post("status", f"/twilio/status?call={call_id}", form)
        assert exchange.status in {200, 204}
    record = await world.record(call_id)
    assert (record.status, record.outcome) == ("busy", "busy")
    assert record.started_at is None


@pytest.mark.parametrize(
    ("answered_by", "outcome"), [("fax", "machine_hangup"), ("unknown", "caller_hangup"), ("human", "caller_hangup")]
)
async def test_who_picked_up_decides_and_whoever_is_unsure_is_a_person(
    world: World, answered_by: str, outcome: str
) -> None:
    """A fax is hung up; what is unknown is talked to."""
    world.rest.people[THEM] = Person(rings=0.02, answered_by=answered_by, detected_after=0.1)
    call_id = await world.place(machine_detection="detect")
    call = await world.dialled()
    await call.streaming()
    await world.carrier.pulse.until(lambda: bool(call.webhooks("amd")), "the detection's callback")
    if outcome == "caller_hangup":
        await call.hang_up()
    record = await world.record(call_id)
    assert record.outcome == outcome
    assert record.detail["answered_by"] == answered_by


@pytest.mark.parametrize("when", ["never", "late"])
async def test_a_detection_that_comes_late_or_never_changes_nothing(world: World, when: str) -> None:
    """The conversation never waits for it, and an ended call keeps its end."""
    world.rest.people[THEM] = Person(rings=0.02, answered_by="machine", detected_after=600)
    call_id = await world.place(machine_detection="leave_message", voicemail_message="Please call us back.")
    session = await world.xuna.session()
    call = await world.dialled()
    await call.streaming()
    await session.say(sound.tone(0.3, rate=16000))
    await call.hears(0.2)
    await call.hang_up()
    record = await world.record(call_id)
    if when == "late":
        form = [("CallSid", call.sid), ("AccountSid", world.carrier.account_sid), ("AnsweredBy", "machine_end_beep")]
        exchange = await world.carrier.post("amd", f"/twilio/amd?call={call_id}", form)
        assert exchange.status in {200, 204}
        record = await world.record(call_id)
    assert record.outcome == "caller_hangup"
    assert call.said == [FIRST]


def _soon(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
