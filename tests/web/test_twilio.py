"""Twilio's routes: proved first, then parsed, then answered."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import pytest

from bridge.call.ports import Secret
from bridge.carriers.twilio.webhooks import (
    InboundMessage,
    MachineResult,
    MessageUpdate,
    RecordingUpdate,
    Signature,
    StatusUpdate,
)
from bridge.carriers.twilio.webhooks.form import MAX_BODY
from bridge.errors import StoreUnavailable
from bridge.web.twilio import TwilioRoutes
from tests.web.asking import Reply, ask
from tests.web.desk import ACCOUNT, CALL, OURS, PERSON

TOKEN = "token-0123456789"
FORM = {"AccountSid": ACCOUNT, "CallSid": CALL, "From": PERSON, "To": OURS, "CallStatus": "ringing"}
FORM |= {"Direction": "inbound"}
OURS_ID = "call_" + "a" * 24


class Front:
    """A reception that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.away = False

    async def voice(self, request: Any, call_id: str) -> str:
        """An answer."""
        self.asked.append(("voice", request.call_sid, call_id))
        return "<voice/>"

    async def after(self, request: Any, counter: int, *, dialled: bool) -> str:
        """An answer."""
        self.asked.append(("after", counter, dialled))
        return "<after/>"

    async def whisper(self, call_id: str) -> str:
        """An answer."""
        self.asked.append(("whisper", call_id))
        return "<whisper/>"

    async def status(self, update: StatusUpdate, call_id: str) -> None:
        """Kept."""
        if self.away:
            raise StoreUnavailable("away")
        self.asked.append(("status", update.call_status, call_id))


class Door:
    """The routes and their reception."""

    def __init__(self) -> None:
        self.front = Front()
        signature = Signature(tokens=[Secret(TOKEN)], public_url="https://bridge.example.com")
        self.routes = TwilioRoutes(self.front, signature, ACCOUNT)  # type: ignore[arg-type]

    async def post(self, target: str, form: dict[str, str] | None = None, **more: Any) -> Reply:
        """A signed request."""
        fields = FORM if form is None else form
        text = f"https://bridge.example.com{target}" + "".join(name + fields[name] for name in sorted(fields))
        mark = base64.b64encode(hmac.digest(TOKEN.encode(), text.encode(), hashlib.sha1)).decode()
        headers = {"X-Twilio-Signature": mark, "Content-Type": "application/x-www-form-urlencoded"}
        given: dict[str, Any] = {"headers": headers, "body": urlencode(fields).encode(), **more}
        return await ask(self.routes.routes(), "POST", target, **given)


@pytest.fixture
def door() -> Door:
    """Routes."""
    return Door()


async def test_a_signed_question_is_answered_in_xml(door: Door) -> None:
    """The reception's words, as they are."""
    reply = await door.post("/twilio/voice")
    assert (reply.status, reply.text) == (200, "<voice/>")
    assert reply.headers["content-type"].startswith("text/xml")
    assert door.front.asked == [("voice", CALL, "")]


@pytest.mark.parametrize("path", ["voice", "after", "status", "whisper", "amd", "recording", "sms"])
async def test_without_a_right_signature_nothing_happens(door: Door, path: str) -> None:
    """Missing or wrong: 403, counted, neither reception nor hook is asked."""
    told: list[object] = []

    async def hook(value: object) -> None:
        told.append(value)

    door.routes.hooks = dict.fromkeys(("amd", "recording", "sms"), hook)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await door.post(f"/twilio/{path}", headers=kind)).status == 403
    assert (await door.post(f"/twilio/{path}", headers={**kind, "X-Twilio-Signature": "AAAA"})).status == 403
    assert door.routes.refused == 2
    assert (door.front.asked, told) == ([], [])


async def test_a_signature_is_of_its_own_address(door: Door) -> None:
    """One for another counter or another call does not count."""
    target = "/twilio/after?n=1"
    text = f"https://bridge.example.com{target}" + "".join(name + FORM[name] for name in sorted(FORM))
    mark = base64.b64encode(hmac.digest(TOKEN.encode(), text.encode(), hashlib.sha1)).decode()
    headers = {"X-Twilio-Signature": mark, "Content-Type": "application/x-www-form-urlencoded"}
    assert (await door.post(target, headers=headers)).status == 200
    assert (await door.post("/twilio/after?n=2", headers=headers)).status == 403


async def test_too_large_a_body_is_not_read(door: Door) -> None:
    """413, whatever its signature."""
    reply = await door.post("/twilio/voice", body=b"x" * (MAX_BODY + 1))
    assert reply.status == 413
    assert door.front.asked == []


async def test_a_signed_request_that_is_malformed_or_of_another_account_is_refused(door: Door) -> None:
    """400 for what cannot be; 403 for who is not ours; nobody is asked."""
    assert (await door.post("/twilio/voice", {**FORM, "CallSid": "x"})).status == 400
    assert (await door.post("/twilio/voice", {**FORM, "AccountSid": "AC" + "9" * 32})).status == 403
    assert door.front.asked == []
    assert door.routes.refused == 2


@pytest.mark.parametrize(
    ("query", "counter"),
    [("?n=3", 3), ("", 1), ("?n=", 1), ("?n=x", 1), ("?n=-1", 1), ("?n=99999", 1), ("?n=9999", 1000), ("?n=%C2%B2", 1)],
)
async def test_the_counter_is_a_small_number_or_one(door: Door, query: str, counter: int) -> None:
    """Whatever stands in the address, the reception gets a number within bounds."""
    assert (await door.post(f"/twilio/after{query}")).text == "<after/>"
    assert door.front.asked == [("after", counter, False)]


async def test_after_a_dialled_person_the_reception_is_told_so(door: Door) -> None:
    """By the mark in the signed address and by nothing else."""
    await door.post("/twilio/after?n=2&dial=1")
    await door.post("/twilio/after?n=2&dial=0", {**FORM, "DialCallStatus": "busy"})
    assert door.front.asked == [("after", 2, True), ("after", 2, False)]


@pytest.mark.parametrize("wrong", ["", "call_", "call_" + "A" * 24, OURS_ID + "b", "x" * 29])
async def test_only_an_id_of_ours_names_a_call(door: Door, wrong: str) -> None:
    """It is passed on where it looks like one; anything else is as good as none."""
    await door.post(f"/twilio/voice?call={OURS_ID}")
    await door.post(f"/twilio/voice?call={wrong}")
    await door.post(f"/twilio/whisper?call={OURS_ID}")
    assert door.front.asked == [("voice", CALL, OURS_ID), ("voice", CALL, ""), ("whisper", OURS_ID)]


async def test_a_status_is_taken_without_words_and_asked_again_for_while_the_store_is_away(door: Door) -> None:
    """204; or 503, so that the carrier repeats it."""
    assert (await door.post(f"/twilio/status?call={OURS_ID}")).status == 204
    assert door.front.asked == [("status", "ringing", OURS_ID)]
    door.front.away = True
    assert (await door.post("/twilio/status")).status == 503


async def test_hooks_get_what_is_theirs(door: Door) -> None:
    """Machine, recording, message and message's fate, each to its own; without a hook nothing fails."""
    told: dict[str, object] = {}

    def hook(name: str) -> Any:
        async def tell(value: object) -> None:
            told[name] = value

        return tell

    account = {"AccountSid": ACCOUNT}
    machine = {**account, "CallSid": CALL, "AnsweredBy": "human"}
    recording = {**account, "CallSid": CALL, "RecordingSid": "RE" + "1" * 32, "RecordingStatus": "completed"}
    message = {**account, "MessageSid": "SM" + "1" * 32, "From": PERSON, "To": OURS, "Body": "Hello"}
    fate = {**account, "MessageSid": "SM" + "1" * 32, "MessageStatus": "delivered", "From": OURS, "To": PERSON}
    assert (await door.post("/twilio/amd", machine)).status == 204
    door.routes.hooks = {name: hook(name) for name in ("amd", "recording", "sms", "message_update")}
    assert (await door.post("/twilio/amd", machine)).status == 204
    assert (await door.post("/twilio/recording", recording)).status == 204
    reply = await door.post("/twilio/sms", message)
    assert reply.text.endswith("<Response></Response>")
    assert (await door.post("/twilio/sms", fate)).status == 204
    assert [type(told[name]) for name in ("amd", "recording", "sms", "message_update")] == [
        MachineResult,
        RecordingUpdate,
        InboundMessage,
        MessageUpdate,
    ]


@pytest.mark.parametrize("path", ["amd", "recording", "sms"])
async def test_a_callback_is_asked_for_again_while_the_store_is_away(door: Door, path: str) -> None:
    """It carries what nobody tells twice unless asked to: who picked up, above all."""

    async def away(value: object) -> None:
        raise StoreUnavailable("away")

    door.routes.hooks = {path: away}
    account = {"AccountSid": ACCOUNT, "CallSid": CALL}
    forms = {
        "amd": {**account, "AnsweredBy": "machine_start"},
        "recording": {**account, "RecordingSid": "RE" + "1" * 32, "RecordingStatus": "completed"},
        "sms": {**account, "MessageSid": "SM" + "1" * 32, "From": PERSON, "To": OURS, "Body": "Hello"},
    }
    assert (await door.post(f"/twilio/{path}", forms[path])).status == 503


async def test_only_posts_are_answered(door: Door) -> None:
    """A GET that was signed, or not, is none of Twilio's."""
    assert (await ask(door.routes.routes(), "GET", "/twilio/voice")).status == 405
