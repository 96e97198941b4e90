"""Twilio's webhooks as typed values: every required field exactly once and well-formed, unknown fields ignored.

Source: Twilio, "Voice webhooks", "Call resource: status callbacks", "Answering machine detection", "Recordings",
"Messaging webhooks". All parse functions raise BadRequest (400) or ForeignAccount (403).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bridge.call.record import Direction, Status
from bridge.carriers.twilio.webhooks.form import BadRequest, ForeignAccount, Form
from bridge.carriers.twilio.webhooks.outcome import Ended, ended, status_of

_CALL_SID: Final = re.compile(r"CA[0-9a-f]{32}")
_ACCOUNT_SID: Final = re.compile(r"AC[0-9a-f]{32}")
_STREAM_SID: Final = re.compile(r"MZ[0-9a-f]{32}")
_MESSAGE_SID: Final = re.compile(r"(SM|MM)[0-9a-f]{32}")
_RECORDING_SID: Final = re.compile(r"RE[0-9a-f]{32}")
_WORD: Final = re.compile(r"[a-z][a-z_-]{0,31}")
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")  # ITU-T E.164: at most 15 digits
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_ADDRESS: Final = re.compile(r"(client|sip|sips):[A-Za-z0-9_.!~*'()+%&=$,;:@\[\]-]{1,255}")
_TEXT_ADDRESS: Final = re.compile(r"(whatsapp|messenger|rcs):[A-Za-z0-9_+:.-]{1,64}")
_VERSTAT: Final = re.compile(r"TN-Validation-Passed-([ABC])(?:-Passthrough|-Diverted)?")  # failed ones prove nothing
_WITHHELD: Final = frozenset(
    # the last four spell ANONYMOUS, RESTRICTED, BLOCKED and UNKNOWN on a telephone's keys
    {"", "anonymous", "restricted", "blocked", "unknown", "unavailable", "private", "withheld"}
    | {"+266696687", "+7378742833", "+2562533", "+8566696"}
)
UNREACHED: Final = frozenset({"busy", "no-answer", "failed", "canceled"})  # of DialCallStatus
MAX_TEXT: Final = 4096  # characters of a message or an error text; the rest is cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceRequest:
    """Twilio asks what to do with a call: a new one, or one of ours that was answered. ``caller``: "" where withheld."""

    call_sid: str
    caller: str  # From: E.164, client:..., sip:..., or ""
    called: str  # To: E.164, client:... or sip:...
    call_status: str  # Twilio's own word, known or not
    direction: Direction
    answered_by: str = ""  # human, machine_..., fax, unknown; "" without detection
    error_code: int = 0  # of the request that failed before this one (fallback URL)
    attestation: str = ""  # STIR/SHAKEN: A, B or C where the caller's number was verified, else ""

    @property
    def line(self) -> str:
        """Our own number."""
        return self.called if self.direction is Direction.INBOUND else self.caller

    @property
    def person(self) -> str:
        """The person's number, "" where withheld."""
        return self.caller if self.direction is Direction.INBOUND else self.called

    @property
    def status(self) -> Status | None:
        """The bridge's word for ``call_status``; None for one that Twilio has added since."""
        return status_of(self.call_status)

    @property
    def over(self) -> bool:
        """The call has ended: there is nobody to answer for."""
        status = self.status
        return status is not None and status.terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterRequest(VoiceRequest):
    """A ``<Connect>`` or ``<Dial>`` is over and Twilio asks what follows. ``dial_*`` only after a ``<Dial>``."""

    stream_sid: str = ""
    dial_status: str = ""  # completed, answered, busy, no-answer, failed, canceled
    dial_call_sid: str = ""
    dial_duration_s: int = 0
    dial_sip_code: int = 0
    dial_bridged: bool | None = None  # whether the two were connected; None where it is not said

    @property
    def unreached(self) -> bool:
        """Somebody is still on the line, and who was dialled for them did not come."""
        return not self.over and self.dial_status in UNREACHED


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """How a call stands. Comes in any order and number: ``sequence`` (from 0) orders those of one call, -1 where missing."""

    call_sid: str
    call_status: str
    direction: Direction
    sequence: int = -1
    duration_s: int = 0
    sip_code: int = 0
    error_code: int = 0
    answered_by: str = ""

    @property
    def status(self) -> Status | None:
        """The bridge's word for ``call_status``; None for one that Twilio has added since."""
        return status_of(self.call_status)

    @property
    def end(self) -> Ended | None:
        """How the call ended; None where it goes on."""
        return ended(self.call_status, direction=self.direction, sip_code=self.sip_code, error_code=self.error_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineResult:
    """Who picked up."""

    call_sid: str
    answered_by: str
    duration_ms: int = 0

    @property
    def machine(self) -> bool:
        """A machine or a fax, not a person."""
        return self.answered_by.startswith("machine") or self.answered_by == "fax"

    @property
    def ready_for_message(self) -> bool:
        """The machine's greeting is over: now is the time to speak."""
        return self.answered_by.startswith("machine_end")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingUpdate:
    """How a recording at the carrier stands. There is sound to fetch once ``recording_status`` is completed."""

    call_sid: str
    recording_sid: str
    recording_status: str
    url: str = ""
    duration_s: int = 0
    channels: int = 0
    error_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """A text message to one of our numbers."""

    message_sid: str
    sender: str
    receiver: str
    body: str
    opt_out: str = ""  # STOP, START or HELP where Twilio's advanced opt-out has handled it


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageUpdate:
    """How a message that we sent fares."""

    message_sid: str
    message_status: str
    error_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """A media stream was opened, closed, or could not be."""

    call_sid: str
    stream_sid: str
    event: str  # stream-started, stream-stopped, stream-error
    error: str = ""


def parse_voice(form: Form, *, account_sid: str) -> VoiceRequest:
    """``/twilio/voice``."""
    _check_account(form, account_sid)
    return VoiceRequest(
        call_sid=_match(form, "CallSid", _CALL_SID),
        caller=_caller(form),
        called=_called(form),
        call_status=_match(form, "CallStatus", _WORD),
        direction=_direction(form.one("Direction")),
        answered_by=_match_maybe(form, "AnsweredBy", _WORD),
        error_code=_count(form, "ErrorCode"),
        attestation=_attestation(form.maybe("StirVerstat") or ""),
    )


def parse_after(form: Form, *, account_sid: str) -> AfterRequest:
    """``/twilio/after``."""
    _check_account(form, account_sid)
    return AfterRequest(
        call_sid=_match(form, "CallSid", _CALL_SID),
        caller=_caller(form),
        called=_called(form),
        call_status=_match(form, "CallStatus", _WORD),
        direction=_direction(form.one("Direction")),
        stream_sid=_match_maybe(form, "StreamSid", _STREAM_SID),
        dial_status=_match_maybe(form, "DialCallStatus", _WORD),
        dial_call_sid=_match_maybe(form, "DialCallSid", _CALL_SID),
        dial_duration_s=_count(form, "DialCallDuration"),
        dial_sip_code=_count(form, "DialSipResponseCode"),
        dial_bridged={"true": True, "false": False}.get(form.maybe("DialBridged") or ""),
    )


def parse_status(form: Form, *, account_sid: str) -> StatusUpdate:
    """``/twilio/status``. Without Direction the call is taken for an outbound one: those are what is asked to be told of."""
    _check_account(form, account_sid)
    return StatusUpdate(
        call_sid=_match(form, "CallSid", _CALL_SID),
        call_status=_match(form, "CallStatus", _WORD),
        direction=_direction(form.maybe("Direction") or "outbound-api"),
        sequence=_count(form, "SequenceNumber", missing=-1),
        duration_s=_count(form, "CallDuration"),  # Duration, its neighbour, counts minutes
        sip_code=_count(form, "SipResponseCode"),
        error_code=_count(form, "ErrorCode"),
        answered_by=_match_maybe(form, "AnsweredBy", _WORD),
    )


def parse_machine_result(form: Form, *, account_sid: str) -> MachineResult:
    """``/twilio/amd``."""
    _check_account(form, account_sid)
    return MachineResult(
        call_sid=_match(form, "CallSid", _CALL_SID),
        answered_by=_match(form, "AnsweredBy", _WORD),
        duration_ms=_count(form, "MachineDetectionDuration"),
    )


def parse_recording(form: Form, *, account_sid: str) -> RecordingUpdate:
    """``/twilio/recording``."""
    _check_account(form, account_sid)
    return RecordingUpdate(
        call_sid=_match(form, "CallSid", _CALL_SID),
        recording_sid=_match(form, "RecordingSid", _RECORDING_SID),
        recording_status=_match(form, "RecordingStatus", _WORD),
        url=(form.maybe("RecordingUrl") or "")[:MAX_TEXT],
        duration_s=max(0, _count(form, "RecordingDuration")),
        channels=_count(form, "RecordingChannels"),
        error_code=_count(form, "ErrorCode"),
    )


def parse_message(form: Form, *, account_sid: str) -> InboundMessage:
    """``/twilio/sms``, a message that came in."""
    _check_account(form, account_sid)
    return InboundMessage(
        message_sid=_match(form, "MessageSid", _MESSAGE_SID),
        sender=_text_number(form, "From"),
        receiver=_text_number(form, "To"),
        body=form.one("Body")[:MAX_TEXT],
        opt_out=(form.maybe("OptOutType") or "").upper()[:16],
    )


def parse_message_update(form: Form, *, account_sid: str) -> MessageUpdate:
    """``/twilio/sms``, the fate of a message that went out: the one with ``MessageStatus`` in its form."""
    _check_account(form, account_sid)
    return MessageUpdate(
        message_sid=_match(form, "MessageSid", _MESSAGE_SID),
        message_status=_match(form, "MessageStatus", _WORD),
        error_code=_count(form, "ErrorCode"),
    )


def parse_stream_status(form: Form, *, account_sid: str) -> StreamStatus:
    """The ``statusCallback`` of a ``<Stream>``."""
    _check_account(form, account_sid)
    return StreamStatus(
        call_sid=_match(form, "CallSid", _CALL_SID),
        stream_sid=_match(form, "StreamSid", _STREAM_SID),
        event=_match(form, "StreamEvent", _WORD),
        error=(form.maybe("StreamError") or "")[:MAX_TEXT],
    )


def _check_account(form: Form, account_sid: str) -> None:
    given = form.one("AccountSid")
    if given == account_sid:
        return
    if not _ACCOUNT_SID.fullmatch(given):
        raise _malformed("AccountSid")
    raise ForeignAccount(
        "AccountSid is not the configured account",
        hint="Check account_sid of [carriers.twilio]; subaccounts have their own.",
    )


def _match(form: Form, name: str, shape: re.Pattern[str]) -> str:
    value = form.one(name)
    if not shape.fullmatch(value):
        raise _malformed(name)
    return value


def _match_maybe(form: Form, name: str, shape: re.Pattern[str]) -> str:
    value = form.maybe(name)
    if not value:
        return ""
    if not shape.fullmatch(value):
        raise _malformed(name)
    return value


def _count(form: Form, name: str, *, missing: int = 0) -> int:
    """A number that is told for the record only: one that cannot be read is as good as missing."""
    value = form.maybe(name)
    if not value or not _COUNT.fullmatch(value):
        return missing
    return int(value)


def _caller(form: Form) -> str:
    value = form.one("From")
    if value.lower() in _WITHHELD:
        return ""
    return _number("From", value)


def _called(form: Form) -> str:
    return _number("To", form.one("To"))


def _number(name: str, value: str) -> str:
    if _E164.fullmatch(value) or _ADDRESS.fullmatch(value):
        return value
    raise _malformed(name)


def _text_number(form: Form, name: str) -> str:
    value = form.one(name)
    if any(shape.fullmatch(value) for shape in (_E164, _SHORT_CODE, _TEXT_ADDRESS)):
        return value
    raise _malformed(name)


def _attestation(value: str) -> str:
    found = _VERSTAT.fullmatch(value)
    return found[1] if found else ""


def _direction(value: str) -> Direction:
    if value == "inbound":
        return Direction.INBOUND
    if value in {"outbound-api", "outbound-dial"}:
        return Direction.OUTBOUND
    raise _malformed("Direction")


def _malformed(name: str) -> BadRequest:
    return BadRequest(f"{name} is malformed", hint="The request was changed on its way, or did not come from Twilio.")
