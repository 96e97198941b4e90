"""Webhooks as typed values, and what a signature does not prove."""

import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from bridge.call.ports import Secret
from bridge.call.record import Direction, Status
from bridge.carriers.twilio.webhooks import (
    BadRequest,
    ForeignAccount,
    Form,
    Signature,
    WebhookRefused,
    explain_code,
    explain_sip,
    parse_after,
    parse_form,
    parse_machine_result,
    parse_message,
    parse_message_update,
    parse_recording,
    parse_status,
    parse_stream_status,
    parse_voice,
)

AC = "AC" + "5" * 32
CA = "CA" + "c" * 32
INBOUND = {
    "AccountSid": AC,
    "ApiVersion": "2010-04-01",
    "CallSid": CA,
    "CallStatus": "ringing",
    "Called": "+15550100",
    "Caller": "+15550123",
    "CallerName": "",
    "Direction": "inbound",
    "From": "+15550123",
    "FromCity": "",
    "To": "+15550100",
    "ToZip": "94105",
}


def form(fields: dict[str, str], *more: tuple[str, str], without: str = "") -> Form:
    """A form with fields added or taken away."""
    pairs = [(name, value) for name, value in fields.items() if name != without]
    return parse_form(urlencode([*pairs, *more]).encode(), "application/x-www-form-urlencoded")


def test_an_inbound_call() -> None:
    """Of an inbound call the line is To and the person From."""
    request = parse_voice(form(INBOUND), account_sid=AC)
    assert (request.call_sid, request.line, request.person) == (CA, "+15550100", "+15550123")
    assert (request.direction, request.status, request.over) == (Direction.INBOUND, Status.RINGING, False)


@pytest.mark.parametrize("direction", ["outbound-api", "outbound-dial"])
def test_an_outbound_leg(direction: str) -> None:
    """Of an outbound leg the line is From and the person To."""
    fields = INBOUND | {"Direction": direction, "CallStatus": "in-progress", "AnsweredBy": "human"}
    request = parse_voice(form(fields), account_sid=AC)
    assert (request.line, request.person, request.answered_by) == ("+15550123", "+15550100", "human")
    assert request.direction is Direction.OUTBOUND


@pytest.mark.parametrize(
    "caller", ["", "anonymous", "Anonymous", "RESTRICTED", "+266696687", "+7378742833", "+2562533", "+8566696"]
)
def test_a_withheld_caller_is_taken_without_a_number(caller: str) -> None:
    """However a withheld number is written, the caller is let in and has none."""
    assert parse_voice(form(INBOUND | {"From": caller}), account_sid=AC).person == ""


@pytest.mark.parametrize("caller", ["client:alice", "sip:+15550123@example.com;transport=udp", "+49301234"])
def test_callers_from_apps_and_sip_are_taken(caller: str) -> None:
    """Apps and SIP phones call as what they are."""
    assert parse_voice(form(INBOUND | {"From": caller}), account_sid=AC).person == caller


REQUIRED = ["AccountSid", "CallSid", "CallStatus", "Direction", "From", "To"]


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("parse", [parse_voice, parse_after])
def test_a_required_field_is_there_once(parse: Callable[..., Any], name: str) -> None:
    """A required field that is missing, or doubled, be it with the same value, is refused."""
    with pytest.raises(BadRequest):
        parse(form(INBOUND, without=name), account_sid=AC)
    with pytest.raises(BadRequest):
        parse(form(INBOUND, (name, INBOUND[name])), account_sid=AC)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            ("CallSid", bad)
            for bad in ("", "CA", "CA" + "C" * 32, "CA" + "c" * 31, "CA" + "c" * 33, CA + "\n", " " + CA)
        ],
        *[
            ("From", bad)
            for bad in ("+", "+0123", "15550123", "+1 555", "+1555x", "+1" * 9, "sip:a b@c", "+15550123\n")
        ],
        *[("To", bad) for bad in ("", "anonymous", "+15550100,wwww", "client:", "sip:<x>@y", "+\u0661\u0662\u0663")],
        *[("AccountSid", bad) for bad in ("", "AC", "ac" + "5" * 32, AC + "0")],
        *[("CallStatus", bad) for bad in ("", "Ringing", "ringing\n", "r" * 40, "1")],
        *[("Direction", bad) for bad in ("", "in", "INBOUND", "outbound", "trunking-originating-")],
    ],
)
def test_a_malformed_field_is_refused(name: str, value: str) -> None:
    """A required field of another shape is 400, signed or not."""
    with pytest.raises(BadRequest) as caught:
        parse_voice(form(INBOUND | {name: value}), account_sid=AC)
    assert caught.value.status == 400


def test_another_account_is_refused() -> None:
    """A request of a foreign account is 403."""
    with pytest.raises(ForeignAccount) as caught:
        parse_voice(form(INBOUND | {"AccountSid": "AC" + "6" * 32}), account_sid=AC)
    assert caught.value.status == 403


def test_fields_and_words_that_twilio_adds_are_let_be() -> None:
    """Unknown fields, doubled ones among them, and a status of a new name do no harm."""
    request = parse_voice(form(INBOUND | {"CallStatus": "on-hold"}, ("New", "1"), ("New", "2")), account_sid=AC)
    assert (request.call_status, request.status, request.over) == ("on-hold", None, False)


def recuts(pairs: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Every way to move one boundary of sorted fields such that they stay sorted, so that the signature stays right.

    Moved are the one between a name and its value, the ones of two neighbours, and those of a field split in two or joined.
    """
    for at, (name, value) in enumerate(pairs):
        low = pairs[at - 1][0] if at else ""
        whole = name + value
        cuts = [((whole[:cut], whole[cut:]),) for cut in range(1, len(whole) + 1) if cut != len(name)]
        splits = [
            ((name, value[:first]), (value[first:cut], value[cut:]))
            for first in range(1, len(value))
            for cut in range(first + 1, len(value) + 1)
        ]
        joins: list[tuple[tuple[str, str], ...]] = []
        for next_name, next_value in pairs[at + 1 : at + 2]:
            text = value + next_name + next_value
            joins.append(((name, text),))
            joins += [
                ((name, text[:end]), (text[end:cut], text[cut:]))
                for end in range(len(text))
                for cut in {end + 1, end + len(next_name), len(value) + len(next_name)}
                if end < cut <= len(text) and (end, cut) != (len(value), len(value) + len(next_name))
            ]
        for news, used in ((cuts, 1), (splits, 1), (joins, 2)):
            rest = pairs[at + used :]
            for new in news:
                if low <= new[0][0] and new[0][0] <= new[-1][0] and (not rest or new[-1][0] <= rest[0][0]):
                    yield [*pairs[:at], *new, *rest]


def random_request(source: random.Random) -> dict[str, str]:
    """A valid inbound call of any caller, with the texts in it that a caller can choose."""

    def number() -> str:
        return f"+{source.randint(1, 9)}{source.randrange(10 ** source.randint(6, 13)):06d}"

    caller, called = number(), number()
    names = ["", "BOB", "+19995550000", "From+19995550000", "xTo+1999", "AFrom+1999Directioninbound", f"CallSid{CA}"]
    return INBOUND | {
        "CallSid": f"CA{source.getrandbits(128):032x}",
        "From": caller,
        "Caller": caller,
        "To": called,
        "Called": called,
        "CallerName": source.choice(names),
        "FromCity": source.choice(["", "SAN FRANCISCO", "To+1999"]),
        "SipHeader_X-Note": source.choice(["", "To+19995550000", "aTo+19995550000", "9"]),
    }


def test_a_signature_does_not_let_fields_be_cut_anew() -> None:
    """For 1,000 signed requests no shift of a boundary, signature still right, changes who calls whom in which call."""
    source = random.Random(7)
    check = Signature(tokens=[Secret("12345")], public_url="https://a.example")
    refused = 0
    for _ in range(1000):
        fields = random_request(source)
        pairs = sorted(fields.items())
        header = RequestValidator("12345").compute_signature("https://a.example/twilio/voice", fields)
        true = parse_voice(Form(pairs), account_sid=AC)
        for recut in recuts(pairs):
            try:
                seen = parse_voice(Form(recut), account_sid=AC)
            except WebhookRefused:
                refused += 1
                continue
            if (seen.call_sid, seen.caller, seen.called) != (true.call_sid, true.caller, true.called):
                body = urlencode(recut).encode()
                assert not check.verify(header, path=b"/twilio/voice", body=body)
    assert refused > 10_000


@given(pairs=st.lists(st.tuples(st.sampled_from([*INBOUND, "AnsweredBy", "ErrorCode", "x"]), st.text(max_size=40))))
def test_any_form_is_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    """No fields raise anything but a refusal that knows its HTTP status, and its text repeats no value."""
    base = [(name, value) for name, value in INBOUND.items() if name not in dict(pairs)]
    for parse in (parse_voice, parse_after, parse_status, parse_machine_result, parse_recording, parse_message):
        try:
            parse(Form([*base, *pairs]), account_sid=AC)
        except WebhookRefused as refused:
            assert refused.status in {400, 403}  # noqa: PT017 - either answer is right
            assert "+1555" not in str(refused)  # noqa: PT017


def test_after_a_dial_its_result_is_known() -> None:
    """What came of a transfer is read from the request that follows it."""
    request = parse_after(
        form(INBOUND | {"CallStatus": "completed", "DialCallStatus": "no-answer", "DialCallDuration": "12"}),
        account_sid=AC,
    )
    assert (request.dial_status, request.dial_duration_s, request.over) == ("no-answer", 12, True)
    assert request.dial_bridged is None
    for said, bridged in (("true", True), ("false", False), ("perhaps", None)):
        told = form(INBOUND | {"DialCallStatus": "completed", "DialBridged": said})
        assert parse_after(told, account_sid=AC).dial_bridged is bridged


def test_a_status_update() -> None:
    """A failed call says why, in words, by its SIP answer; its duration is in seconds."""
    fields = {
        "AccountSid": AC,
        "CallSid": CA,
        "CallStatus": "failed",
        "Direction": "outbound-api",
        "SequenceNumber": "3",
        "CallDuration": "49",
        "Duration": "1",
        "SipResponseCode": "404",
        "ErrorCode": "13224",
    }
    update = parse_status(form(fields), account_sid=AC)
    assert (update.sequence, update.duration_s, update.status) == (3, 49, Status.FAILED)
    assert update.end is not None
    assert explain_sip(404).meaning in update.end.detail
    assert explain_code(13224).meaning in update.end.detail


def test_a_status_update_with_unreadable_numbers_still_counts() -> None:
    """Numbers that are only told do not keep an end from being known."""
    fields = {"AccountSid": AC, "CallSid": CA, "CallStatus": "completed", "SequenceNumber": "x", "CallDuration": "-1"}
    update = parse_status(form(fields), account_sid=AC)
    assert (update.sequence, update.duration_s, update.status) == (-1, 0, Status.COMPLETED)


@pytest.mark.parametrize(
    ("answered_by", "machine", "ready"),
    [
        ("human", False, False),
        ("unknown", False, False),
        ("fax", True, False),
        ("machine_start", True, False),
        ("machine_end_beep", True, True),
        ("machine_end_silence", True, True),
        ("machine_end_other", True, True),
    ],
)
def test_machine_detection(answered_by: str, *, machine: bool, ready: bool) -> None:
    """Who picked up, and whether a message can be left now."""
    fields = {"AccountSid": AC, "CallSid": CA, "AnsweredBy": answered_by, "MachineDetectionDuration": "3500"}
    result = parse_machine_result(form(fields), account_sid=AC)
    assert (result.machine, result.ready_for_message, result.duration_ms) == (machine, ready, 3500)


def test_a_recording_update() -> None:
    """A finished recording names its call, its address and its length."""
    fields = {
        "AccountSid": AC,
        "CallSid": CA,
        "RecordingSid": "RE" + "e" * 32,
        "RecordingStatus": "completed",
        "RecordingUrl": "https://api.example.com/RE",
        "RecordingDuration": "62",
        "RecordingChannels": "2",
    }
    update = parse_recording(form(fields), account_sid=AC)
    assert (update.call_sid, update.recording_status, update.duration_s, update.channels) == (CA, "completed", 62, 2)


def test_messages() -> None:
    """A message that came in has its text, one that went out its fate; both from short codes too."""
    fields = {"AccountSid": AC, "MessageSid": "SM" + "a" * 32, "From": "+15550123", "To": "12345", "Body": ""}
    message = parse_message(form(fields, ("OptOutType", "STOP")), account_sid=AC)
    assert (message.sender, message.receiver, message.body, message.opt_out) == ("+15550123", "12345", "", "STOP")
    sent = {"AccountSid": AC, "MessageSid": "SM" + "a" * 32, "MessageStatus": "undelivered", "ErrorCode": "30007"}
    update = parse_message_update(form(sent), account_sid=AC)
    assert (update.message_status, update.error_code) == ("undelivered", 30007)


def test_a_stream_that_failed_says_so() -> None:
    """A stream's own status names stream, call and error."""
    fields = {
        "AccountSid": AC,
        "CallSid": CA,
        "StreamSid": "MZ" + "a" * 32,
        "StreamEvent": "stream-error",
        "StreamError": "handshake",
    }
    status = parse_stream_status(form(fields), account_sid=AC)
    assert (status.event, status.error) == ("stream-error", "handshake")
