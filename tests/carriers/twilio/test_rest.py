"""What is asked of Twilio over HTTP, against a server on loopback that answers as documented."""

import asyncio
import base64
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from bridge.call.ports import Secret
from bridge.call.record import Direction, Status
from bridge.carriers.twilio.rest import TwilioRest
from bridge.errors import CarrierFailure

AC = "AC" + "5" * 32
CA = "CA" + "c" * 32
CALL = {
    "sid": CA,
    "status": "queued",
    "to": "+15550123",
    "from": "+15550100",
    "direction": "outbound-api",
    "duration": None,
    "date_created": "Sat, 21 Nov 2026 01:00:00 +0000",
    "start_time": None,
    "end_time": None,
    "answered_by": None,
}


class Twilio:
    """A server that notes what it is asked and answers what it was told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, list[tuple[str, str]]]] = []
        self.authorization: str | None = None
        self.answer: tuple[int, Any] = (200, {})
        self.answers_once: list[tuple[int, Any]] = []
        self.held: asyncio.Event | None = None
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        """Note a request and answer it."""
        fields = [*request.query.items(), *(await request.post()).items()]
        path = request.path.removeprefix(f"/2010-04-01/Accounts/{AC}")
        self.asked.append((request.method, path, [(name, str(value)) for name, value in fields]))
        self.authorization = request.headers.get("Authorization")
        if self.held is not None:
            await self.held.wait()
        status, body = self.answers_once.pop(0) if self.answers_once else self.answer
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers={"Location": f"{self.url}/elsewhere"})
        return web.json_response(body, status=status)


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    """The server, on a free port."""
    server = Twilio()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
async def rest(twilio: Twilio) -> AsyncIterator[TwilioRest]:
    """The account there."""
    client = TwilioRest(AC, Secret("token"), api_base_url=twilio.url + "/", timeout_s=5.0)
    yield client
    await client.close()


async def test_a_call_is_placed_with_all_that_was_asked(twilio: Twilio, rest: TwilioRest) -> None:
    """Dialling is one POST with the account's credentials, every status event and no parameter of chance."""
    twilio.answer = (201, CALL)
    call_id = await rest.dial(
        "+15550123",
        "+15550100",
        url="https://a.example/twilio/voice",
        status_callback="https://a.example/twilio/status",
        ring_timeout_s=25,
        machine_detection="leave_message",
        async_amd_callback="https://a.example/twilio/amd",
        time_limit_s=600,
        record_callback="https://a.example/twilio/recording",
    )
    assert call_id == CA
    ((method, path, fields),) = twilio.asked
    assert (method, path) == ("POST", "/Calls.json")
    assert sorted(fields) == sorted(
        [
            ("To", "+15550123"),
            ("From", "+15550100"),
            ("Url", "https://a.example/twilio/voice"),
            ("Method", "POST"),
            ("StatusCallback", "https://a.example/twilio/status"),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")),
            ("Timeout", "25"),
            ("MachineDetection", "DetectMessageEnd"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", "https://a.example/twilio/amd"),
            ("AsyncAmdStatusCallbackMethod", "POST"),
            ("TimeLimit", "600"),
            ("Record", "true"),
            ("RecordingChannels", "dual"),
            ("RecordingStatusCallback", "https://a.example/twilio/recording"),
        ]
    )
    assert twilio.authorization == "Basic " + base64.b64encode(f"{AC}:token".encode()).decode()


def dial(rest: TwilioRest) -> Awaitable[str]:
    """The shortest call."""
    return rest.dial("+15550123", "+15550100", url="https://a.example/v", status_callback="https://a.example/s")


async def test_the_environment_does_not_move_the_account(twilio: Twilio, monkeypatch: pytest.MonkeyPatch) -> None:
    """A region or edge in the environment leaves the configured address alone."""
    monkeypatch.setitem(os.environ, "TWILIO_REGION", "ie1")
    monkeypatch.setitem(os.environ, "TWILIO_EDGE", "dublin")
    twilio.answer = (201, CALL)
    client = TwilioRest(AC, Secret("token"), api_base_url=twilio.url)
    assert await dial(client) == CA
    await client.close()


@pytest.mark.parametrize(
    ("status", "body", "code", "retry", "unsure"),
    [
        (400, {"code": 21211, "message": "+15550123 is no number", "status": 400}, 21211, False, False),
        (401, {"code": 20003, "message": "Authenticate", "status": 401}, 20003, False, False),
        (429, {"code": 20429, "message": "Too many", "status": 429}, 20429, True, False),
        (400, {"code": 10004, "message": "Call concurrency", "status": 400}, 10004, True, False),
        (429, "slow down", 0, True, False),
        (500, "<html>oops</html>", 0, False, True),
        (503, {"type": "t", "title": "x", "status": 503, "code": 20503}, 20503, False, True),
        (302, "", 0, False, False),
        (201, "no json", 0, False, True),
        (201, "[]", 0, False, True),
        (201, {"sid": None}, 0, False, True),
        (201, {"sid": "../Messages"}, 0, False, True),
    ],
)
async def test_a_refused_call_says_whether_it_may_be_tried_again(
    twilio: Twilio, rest: TwilioRest, status: int, body: Any, code: int, *, retry: bool, unsure: bool
) -> None:
    """A refusal carries Twilio's code and its meaning; retry only where it was surely not placed, and no number in it."""
    twilio.answer = (status, body)
    with pytest.raises(CarrierFailure) as caught:
        await dial(rest)
    failure = caught.value
    assert (failure.code, failure.retry, failure.unsure) == (code, retry, unsure)
    assert "5550123" not in str(failure) + failure.hint
    assert len(twilio.asked) == 1


async def test_a_call_that_got_no_answer_may_ring_all_the_same() -> None:
    """The time limit holds; afterwards a dial is unsure, and a look-up may simply be repeated."""
    server = Twilio()
    server.held = asyncio.Event()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = TwilioRest(AC, Secret("t"), api_base_url=f"http://127.0.0.1:{runner.addresses[0][1]}", timeout_s=0.1)
    try:
        async with asyncio.timeout(10):
            with pytest.raises(CarrierFailure) as dialled:
                await dial(client)
            with pytest.raises(CarrierFailure) as looked_up:
                await client.fetch(CA)
    finally:
        server.held.set()
        await client.close()
        await runner.cleanup()
    assert (dialled.value.retry, dialled.value.unsure) == (False, True)
    assert (looked_up.value.retry, looked_up.value.unsure) == (True, False)


async def test_a_call_that_never_left_may_be_tried_again() -> None:
    """Where nobody listens the call was surely not placed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = TwilioRest(AC, Secret("t"), api_base_url=f"http://127.0.0.1:{port}")
    with pytest.raises(CarrierFailure) as caught:
        await dial(client)
    await client.close()
    assert (caught.value.retry, caught.value.unsure) == (True, False)


@pytest.mark.parametrize(
    "answer",
    [(200, CALL), (400, {"code": 21220, "message": "Call is not in-progress", "status": 400}), (404, {"code": 20404})],
)
async def test_to_end_a_call_that_has_ended_is_success(
    twilio: Twilio, rest: TwilioRest, answer: tuple[int, Any]
) -> None:
    """Ending is done when the call is over, whoever was first; giving up says whether it was in time."""
    twilio.answer = answer
    await rest.end(CA)
    assert await rest.cancel(CA) is (answer[0] == 200)
    assert twilio.asked == [
        ("POST", f"/Calls/{CA}.json", [("Status", "completed")]),
        ("POST", f"/Calls/{CA}.json", [("Status", "canceled")]),
    ]


async def test_a_call_that_cannot_be_ended_says_so(twilio: Twilio, rest: TwilioRest) -> None:
    """Another refusal than "already ended" is not swallowed."""
    twilio.answer = (403, {"code": 20008})
    with pytest.raises(CarrierFailure):
        await rest.end(CA)
    with pytest.raises(CarrierFailure):
        await rest.delete_recording("RE" + "e" * 32)


async def test_a_live_call_is_given_other_twiml(twilio: Twilio, rest: TwilioRest) -> None:
    """TwiML or its address replaces what a call does; an ended call cannot be redirected."""
    twilio.answer = (200, CALL)
    await rest.redirect(CA, twiml="<Response/>")
    await rest.redirect(CA, url="https://a.example/x")
    assert [fields for _, _, fields in twilio.asked] == [
        [("Twiml", "<Response/>")],
        [("Url", "https://a.example/x"), ("Method", "POST")],
    ]
    for wrong in ({}, {"twiml": "x", "url": "y"}, {"twiml": "x" * 4001}):
        with pytest.raises(ValueError):
            await rest.redirect(CA, **wrong)
    twilio.answer = (400, {"code": 21220})
    with pytest.raises(CarrierFailure):
        await rest.redirect(CA, twiml="<Response/>")


async def test_how_a_call_stands(twilio: Twilio, rest: TwilioRest) -> None:
    """A call is looked up with its times in UTC and its length in seconds; one that Twilio does not know is None."""
    twilio.answer = (
        200,
        CALL
        | {
            "status": "completed",
            "duration": "49",
            "answered_by": "human",
            "start_time": "Sat, 21 Nov 2026 01:00:05 +0000",
        },
    )
    facts = await rest.fetch(CA)
    assert facts is not None
    assert (facts.status, facts.duration_s, facts.answered_by) == (Status.COMPLETED, 49, "human")
    assert (facts.caller, facts.called, facts.direction) == ("+15550100", "+15550123", Direction.OUTBOUND)
    assert facts.started_at == datetime(2026, 11, 21, 1, 0, 5, tzinfo=UTC)
    assert facts.ended_at is None
    twilio.answer = (404, {"code": 20404})
    assert await rest.fetch(CA) is None


async def test_a_queued_call_is_found_though_it_has_not_started(twilio: Twilio, rest: TwilioRest) -> None:
    """Calls between two numbers are found by when they were made, not by when they began."""
    old = CALL | {"sid": "CA" + "0" * 32, "date_created": "Sat, 21 Nov 2026 00:59:59 +0000"}
    fresh = CALL | {"sid": "CA" + "1" * 32, "date_created": None}
    twilio.answer = (200, {"calls": [fresh, CALL, old], "page_size": 200, "next_page_uri": None})
    found = await rest.find("+15550123", "+15550100", since=datetime(2026, 11, 21, 1, 0, tzinfo=UTC))
    assert [facts.carrier_call_id for facts in found] == ["CA" + "1" * 32, CA]
    ((method, path, fields),) = twilio.asked
    assert (method, path) == ("GET", "/Calls.json")
    assert dict(fields) == {"To": "+15550123", "From": "+15550100", "PageSize": "200"}


async def test_a_message_is_sent(twilio: Twilio, rest: TwilioRest) -> None:
    """A text goes out; what is longer than Twilio takes goes out in several messages, in order."""
    twilio.answer = (201, {"sid": "SM" + "a" * 32})
    words = "word " * 400
    assert await rest.send_message("+15550123", "+15550100", body=f"{words}end") == "SM" + "a" * 32
    address = [("To", "+15550123"), ("From", "+15550100")]
    assert twilio.asked == [
        ("POST", "/Messages.json", [*address, ("Body", ("word " * 320).strip())]),
        ("POST", "/Messages.json", [*address, ("Body", "word " * 80 + "end")]),
    ]


async def test_a_message_that_is_refused_is_not_followed_by_its_rest(twilio: Twilio, rest: TwilioRest) -> None:
    """A person who wants no text gets no second half either."""
    twilio.answer = (400, {"code": 21610, "message": "no", "status": 400})
    with pytest.raises(CarrierFailure):
        await rest.send_message("+15550123", "+15550100", body="word " * 400)
    assert len(twilio.asked) == 1


async def test_a_recording_from_start_to_end(twilio: Twilio, rest: TwilioRest) -> None:
    """A recording is started, paused, resumed, stopped and deleted; deleting it twice is success."""
    recording = "RE" + "e" * 32
    twilio.answer = (201, {"sid": recording})
    assert await rest.start_recording(CA, status_callback="https://a.example/r") == recording
    await rest.pause_recording(CA)
    await rest.resume_recording(CA)
    await rest.stop_recording(CA)
    twilio.answer = (204, "")
    await rest.delete_recording(recording)
    twilio.answer = (404, {"code": 20404})
    await rest.delete_recording(recording)
    current = f"/Calls/{CA}/Recordings/Twilio.CURRENT.json"
    assert [(method, path) for method, path, _ in twilio.asked] == [
        ("POST", f"/Calls/{CA}/Recordings.json"),
        *[("POST", current)] * 3,
        *[("DELETE", f"/Recordings/{recording}.json")] * 2,
    ]
    assert [dict(fields).get("Status") for _, _, fields in twilio.asked[1:4]] == ["paused", "in-progress", "stopped"]


async def test_a_person_is_called_into_a_conference(twilio: Twilio, rest: TwilioRest) -> None:
    """A person is rung into a room, and the room is closed for all; where there is none that is told."""
    twilio.answer = (201, {"call_sid": CA})
    assert await rest.add_participant("room-1", to="+15550777", from_="+15550100", label="desk") == CA
    twilio.answer = (200, {"sid": "CF" + "f" * 32})
    twilio.answers_once = [(200, {"conferences": [{"sid": "CF" + "f" * 32}]})]
    assert await rest.end_conference("room-1") is True
    twilio.answer = (200, {"conferences": []})
    assert await rest.end_conference("room-1") is False
    assert [(method, path) for method, path, _ in twilio.asked] == [
        ("POST", "/Conferences/room-1/Participants.json"),
        ("GET", "/Conferences.json"),
        ("POST", f"/Conferences/CF{'f' * 32}.json"),
        ("GET", "/Conferences.json"),
    ]


async def test_the_numbers_of_the_account(twilio: Twilio, rest: TwilioRest) -> None:
    """Numbers are listed with where their calls go, and can be sent elsewhere."""
    number = {"sid": "PN" + "a" * 32, "phone_number": "+15550100", "voice_url": "https://old.example", "sms_url": None}
    twilio.answer = (200, {"incoming_phone_numbers": [number], "next_page_uri": None})
    (facts,) = await rest.numbers()
    assert (facts.number, facts.voice_url, facts.sms_url) == ("+15550100", "https://old.example", "")
    await rest.configure_number(
        facts.number_sid,
        voice_url="https://a.example/v",
        status_callback="https://a.example/s",
        sms_url="https://a.example/m",
    )
    method, path, fields = twilio.asked[-1]
    assert (method, path) == ("POST", f"/IncomingPhoneNumbers/{facts.number_sid}.json")
    assert dict(fields) == {
        "VoiceUrl": "https://a.example/v",
        "VoiceMethod": "POST",
        "StatusCallback": "https://a.example/s",
        "StatusCallbackMethod": "POST",
        "SmsUrl": "https://a.example/m",
        "SmsMethod": "POST",
    }
    number |= {"voice_application_sid": "AP" + "b" * 32, "trunk_sid": None, "sms_application_sid": "AP" + "c" * 32}
    twilio.answer = (200, {"incoming_phone_numbers": [number], "next_page_uri": None})
    (facts,) = await rest.numbers()
    assert facts.owners == ("VoiceApplicationSid", "SmsApplicationSid")
    await rest.configure_number(
        facts.number_sid, voice_url="https://a.example/v", status_callback="https://a.example/s", free=facts.owners
    )
    assert {"VoiceApplicationSid": "", "SmsApplicationSid": ""}.items() <= dict(twilio.asked[-1][2]).items()


async def test_the_account_is_checked(twilio: Twilio, rest: TwilioRest) -> None:
    """An active account is a sentence, a suspended one a failure with a remedy."""
    twilio.answer = (200, {"sid": AC, "status": "active", "type": "Trial"})
    assert await rest.check() == "the Twilio account is active (trial)"
    twilio.answer = (200, {"sid": AC, "status": "suspended", "type": "Full"})
    with pytest.raises(CarrierFailure) as caught:
        await rest.check()
    assert caught.value.hint


@pytest.mark.parametrize(
    "ask",
    [
        lambda rest: rest.end("../Accounts"),
        lambda rest: rest.fetch(""),
        lambda rest: rest.delete_recording("RE1"),
        lambda rest: rest.add_participant("a/b", to="+1", from_="+1", label="x"),
    ],
)
async def test_an_id_cannot_become_another_path(
    twilio: Twilio, rest: TwilioRest, ask: Callable[[TwilioRest], Awaitable[object]]
) -> None:
    """What is no id is refused before Twilio is asked."""
    with pytest.raises(ValueError):
        await ask(rest)
    assert not twilio.asked


async def test_an_endless_answer_is_cut_off(twilio: Twilio, rest: TwilioRest) -> None:
    """An answer of more than a megabyte is not read to its end."""
    twilio.answer = (200, "x" * 3_000_000)
    with pytest.raises(CarrierFailure):
        await rest.fetch(CA)


async def test_a_new_token_counts_from_the_next_request(twilio: Twilio, rest: TwilioRest) -> None:
    """While tokens are rotated the bridge proves itself with the one it was told last."""
    twilio.answer = (200, {"type": "Full", "status": "active"})
    proofs = []
    for token in ("0f1e2d3c4b5a69788796a5b4c3d2e1f0", "1f1e2d3c4b5a69788796a5b4c3d2e1f1"):
        rest.use(Secret(token))
        await rest.check()
        scheme, _, proof = (twilio.authorization or "").partition(" ")
        proofs.append((scheme, base64.b64decode(proof).decode().partition(":")[2]))
    assert proofs == [("Basic", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"), ("Basic", "1f1e2d3c4b5a69788796a5b4c3d2e1f1")]


def test_a_process_that_asks_nothing_does_not_carry_the_library() -> None:
    """Twelve megabytes and a tenth of a second are paid by who uses them."""
    program = (
        "import sys; from bridge.call.ports import Secret; from bridge.carriers.twilio.rest import TwilioRest; "
        f"TwilioRest('{AC}', Secret('x' * 32)); sys.exit('twilio.rest' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
