"""The REST stand-in: it dials, tells, tears down and refuses as Twilio's documents say."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from tests.standins.toy import PUBLIC, STREAM, Toy, carrier_for
from tests.standins.twilio import Carrier, Person, TwilioRest, failing

THEM, US = "+15550123456", "+15550100"


@dataclass
class World:
    """A bridge, a carrier and its API."""

    toy: Toy
    carrier: Carrier
    rest: TwilioRest
    http: aiohttp.ClientSession

    async def post(self, path: str, form: Any) -> tuple[int, dict[str, Any]]:
        """A form to the API."""
        url = f"{self.rest.url}/2010-04-01/Accounts/{self.carrier.account_sid}{path}"
        async with self.http.post(url, data=form) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str, **query: str) -> tuple[int, dict[str, Any]]:
        """A resource of the API."""
        url = f"{self.rest.url}/2010-04-01/Accounts/{self.carrier.account_sid}{path}"
        async with self.http.get(url, params=query) as answer:
            return answer.status, await answer.json()

    async def dial(self, **more: Any) -> dict[str, Any]:
        """Create a call."""
        status, made = await self.post("/Calls.json", {"To": THEM, "From": US, "Url": f"{PUBLIC}/twilio/voice", **more})
        assert status == 201, made
        return made

    def told(self, name: str = "CallStatus", path: str = "/twilio/status") -> list[str]:
        """A field of every callback."""
        return [f[name] for p, f in self.toy.forms if p == path]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """All of it on loopback."""
    async with Toy() as toy, carrier_for(toy) as carrier, TwilioRest(carrier) as rest:
        auth = aiohttp.encode_basic_auth(carrier.account_sid, carrier.auth_token)
        async with aiohttp.ClientSession(headers={"Authorization": auth}) as http:
            yield World(toy, carrier, rest, http)


EVENTS = [("StatusCallbackEvent", e) for e in ("initiated", "ringing", "answered", "completed")]


async def test_an_answered_call_is_told_from_ring_to_end(world: World) -> None:
    """The TwiML is asked for when answered, the person being `To`; every event is told, in number."""
    form = [
        ("To", THEM),
        ("From", US),
        ("Url", f"{PUBLIC}/twilio/voice"),
        ("StatusCallback", f"{PUBLIC}/twilio/status"),
        *EVENTS,
    ]
    status, made = await world.post("/Calls.json", form)
    assert (status, made["status"], made["direction"]) == (201, "queued", "outbound-api")
    await world.carrier.pulse.until(lambda: bool(world.carrier.calls[0].streams), "a stream")
    call = world.carrier.calls[0]
    await call.streaming()
    voice = call.webhooks("voice")[0]
    assert (voice["From"], voice["To"], voice["CallStatus"]) == (US, THEM, "in-progress")
    assert (await world.get(f"/Calls/{made['sid']}.json"))[1]["status"] == "in-progress"
    await call.hang_up()
    assert world.told() == ["initiated", "ringing", "in-progress", "completed"]
    assert world.told("SequenceNumber") == ["0", "1", "2", "3"]


@pytest.mark.parametrize("outcome", ["busy", "no-answer", "failed", "ring"])
async def test_an_unanswered_call_is_told_once(world: World, outcome: str) -> None:
    """No TwiML is asked for, and one callback says what it was."""
    world.rest.people[THEM] = Person(outcome)
    await world.dial(StatusCallback=f"{PUBLIC}/twilio/status", Timeout="1")
    await world.carrier.settled()
    assert world.told() == ["no-answer" if outcome == "ring" else outcome]
    assert world.carrier.calls[0].webhooks("voice") == []


async def test_an_update_ends_or_redirects_a_live_call(world: World) -> None:
    """New TwiML runs after a stop; once ended, 21220."""
    made = await world.dial()
    await world.carrier.pulse.until(lambda: bool(world.carrier.calls[0].streams), "a stream")
    call = world.carrier.calls[0]
    await call.streaming()
    path = f"/Calls/{made['sid']}.json"
    assert (await world.post(path, {"Twiml": STREAM}))[0] == 200
    await call.streaming(count=2)
    assert [e["event"] for e in world.toy.events].count("stop") == 1
    assert (await world.post(path, {"Status": "canceled"}))[1]["code"] == 21220
    assert (await world.post(path, {"Status": "completed"}))[0] == 200
    assert await call.ended() == "completed"
    status, error = await world.post(path, {"Status": "completed"})
    assert (status, error["code"]) == (400, 21220)


async def test_a_ringing_call_can_be_canceled(world: World) -> None:
    """It is told as canceled."""
    world.rest.people[THEM] = Person("ring")
    made = await world.dial(StatusCallback=f"{PUBLIC}/twilio/status")
    assert (await world.post(f"/Calls/{made['sid']}.json", {"Status": "canceled"}))[0] == 200
    await world.carrier.settled()
    assert world.told() == ["canceled"]


@pytest.mark.parametrize(("mode", "found"), [("Enable", "machine_start"), ("DetectMessageEnd", "machine_end_beep")])
async def test_machines_are_detected(world: World, mode: str, found: str) -> None:
    """Asynchronously by a callback of its own, else in the request for TwiML."""
    world.rest.people[THEM] = Person(answered_by="machine", detected_after=0.02)
    amd = {"MachineDetection": mode}
    await world.dial(**amd, AsyncAmd="true", AsyncAmdStatusCallback=f"{PUBLIC}/twilio/amd")
    await world.carrier.pulse.until(lambda: bool(world.told("AnsweredBy", "/twilio/amd")), "the callback")
    assert world.told("AnsweredBy", "/twilio/amd") == [found]
    await world.dial(**amd)
    await world.carrier.pulse.until(lambda: len(world.told("CallSid", "/twilio/voice")) == 2, "the TwiML")
    assert world.carrier.calls[1].webhooks("voice")[0]["AnsweredBy"] == found
    for call in world.carrier.calls:
        await call.hang_up()


REFUSED: list[tuple[dict[str, str], int, str]] = [
    ({"From": "+15559999"}, 21210, ""),
    ({"To": "5550123456"}, 21211, "To is '5550123456'"),
    ({"Url": "bridge.example.com"}, 21205, "Url is"),
    ({"Colour": "red"}, 20001, "undocumented field 'Colour'"),
    ({"Twiml": "x" * 4001}, 20001, "Twiml is"),
    ({"AsyncAmd": "True"}, 20001, "AsyncAmd is 'True'"),
]


@pytest.mark.parametrize(("more", "code", "words"), REFUSED)
async def test_a_wrong_form_is_refused(world: World, more: dict[str, str], code: int, words: str) -> None:
    """By Twilio's code; what no client may send is a violation besides."""
    form = {"To": THEM, "From": US, "Url": f"{PUBLIC}/twilio/voice", **more}
    status, error = await world.post("/Calls.json", form)
    assert (status, error["code"]) == (400, code)
    if words:
        world.rest.forgive(words)


async def test_faults_and_wrong_keys(world: World) -> None:
    """429 in Twilio's shape, a lost answer whose call is placed all the same, and 401."""
    world.rest.fault("create_call", **failing(429, 20429))
    form = {"To": THEM, "From": US, "Url": f"{PUBLIC}/twilio/voice"}
    assert (await world.post("/Calls.json", form))[1]["code"] == 20429
    world.rest.fault("create_call", serve_first=True, reset=True)
    with pytest.raises(aiohttp.ClientError):
        await world.post("/Calls.json", form)
    assert len(world.carrier.calls) == 1
    _, page = await world.get("/Calls.json", To=THEM, **{"StartTime>": "2020-01-01"})
    assert [c["sid"] for c in page["calls"]] == [world.carrier.calls[0].sid]
    world.carrier.auth_token = "changed"
    assert (await world.get("/Calls.json"))[0] == 401


async def test_messages_are_sent_and_told(world: World) -> None:
    """Queued, sent, delivered; a number that opted out is 21610; an inbound one is answered in TwiML."""
    form = {"To": THEM, "From": US, "Body": "Hi", "StatusCallback": f"{PUBLIC}/twilio/status"}
    assert (await world.post("/Messages.json", form))[1]["status"] == "queued"
    await world.carrier.settled()
    assert world.told("MessageStatus") == ["sent", "delivered"]
    world.rest.texts.opted_out.add(THEM)
    assert (await world.post("/Messages.json", form))[1]["code"] == 21610
    world.toy.voice = "<Response><Message>Thanks</Message></Response>"
    assert [v.text for v in await world.carrier.text("STOP")] == ["Thanks"]


async def test_a_recording_is_told_and_fetched(world: World) -> None:
    """Its callback comes at the end, and its sound is there then."""
    await world.dial(Record="true", RecordingStatusCallback=f"{PUBLIC}/twilio/recording")
    await world.carrier.pulse.until(lambda: bool(world.carrier.calls[0].streams), "a stream")
    call = world.carrier.calls[0]
    await call.streaming()
    await call.hang_up()
    await world.carrier.settled()
    url = world.told("RecordingUrl", "/twilio/recording")[0]
    async with world.http.get(url + ".wav") as answer:
        assert (await answer.read())[:4] == b"RIFF"


async def test_the_rate_of_the_account_is_kept_and_observed(world: World) -> None:
    """Calls over the rate wait in the queue; how many were asked for is known."""
    world.rest.dialler.calls_per_second = 10
    world.rest.people[THEM] = Person("busy", rings=0.0)
    begin = asyncio.get_running_loop().time()
    for _ in range(4):
        await world.dial()
    assert world.rest.dialler.most_within(1.0) == 4
    await world.carrier.settled()
    assert asyncio.get_running_loop().time() - begin > 0.25


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's own use of aiohttp
async def test_twilios_own_client_is_served(world: World) -> None:
    """Its SDK creates, lists by page and ends calls here, without a violation."""
    async with AsyncTwilioHttpClient() as transport:
        client = Client(world.carrier.account_sid, world.carrier.auth_token, http_client=transport)
        client.api.base_url = world.rest.url
        for _ in range(3):
            made = await client.calls.create_async(
                to=THEM, from_=US, url=f"{PUBLIC}/twilio/voice", status_callback_event=["ringing", "completed"]
            )
        found = await client.calls.list_async(
            to=THEM, start_time_after=datetime.now(UTC) - timedelta(hours=1), page_size=2
        )
        assert len(found) == 3
        assert (await client.calls(made.sid).update_async(status="completed")).status == "completed"
        for call in world.carrier.calls:
            await call.hang_up()
