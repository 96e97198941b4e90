"""Twilio Media Streams: its WebSocket messages to events, orders to its messages.

Source: Twilio, "Media Streams - WebSocket Messages" (bidirectional streams). All messages are JSON text; sequence
numbers, chunk numbers and timestamps are strings, and are not read: sound is taken in the order of its arrival.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, assert_never

import msgspec
import pybase64

from bridge.audio.formats import TELEPHONE
from bridge.call.events import (
    ClearAudio,
    Ignored,
    PhoneAudio,
    PhoneClosed,
    PhoneDigit,
    PhoneEvent,
    PhoneOpened,
    PhoneOrder,
    PhoneReached,
    PlayAudio,
    PlayMark,
)
from bridge.errors import LocalError, ProtocolError, Reason

MAX_MESSAGE: Final = 64 * 1024  # bytes of one message
MAX_PAYLOAD: Final = 8 * 1024  # bytes of decoded sound in one message: a second, where 20 ms is usual
_DIGITS: Final = frozenset("0123456789*#ABCD")
_EVENTS: Final = frozenset({"connected", "start", "media", "dtmf", "mark", "stop"})
_FORMAT: Final = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
_STREAM_SID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_CALL_SID: Final = re.compile(r"CA[0-9a-f]{32}", re.ASCII)


class StreamRefused(ProtocolError):
    """What was said rules this stream out: close the socket with ``close_code`` and end the leg.

    Other ProtocolErrors concern one message only; ``getattr(error, "fatal", False)`` tells them apart.
    """

    fatal: Final = True
    close_code: Final = 1008  # policy violation (RFC 6455 7.4.1)
    opened: PhoneOpened | None = None  # who came with a sound that cannot be used: the call is known, and must end


class _Media(msgspec.Struct, gc=False):
    payload: bytes  # msgspec decodes base64 by the strict alphabet, padding included
    track: str = "inbound"


class _Digit(msgspec.Struct, gc=False):
    digit: str
    track: str = "inbound_track"


class _Name(msgspec.Struct, gc=False):
    name: Annotated[str, msgspec.Meta(max_length=256)]


class _Start(msgspec.Struct, rename="camel"):
    stream_sid: str
    call_sid: str
    account_sid: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    media_format: Any = None  # judged as a whole: a wrong one must end the call at once, not be skipped as malformed
    custom_parameters: dict[str, str] = {}


class _Connected(msgspec.Struct, tag_field="event", tag="connected"):
    pass


class _StartMessage(msgspec.Struct, tag_field="event", tag="start"):
    start: _Start


class _MediaMessage(msgspec.Struct, tag_field="event", tag="media", rename="camel", gc=False):
    stream_sid: str
    media: _Media


class _DigitMessage(msgspec.Struct, tag_field="event", tag="dtmf", rename="camel", gc=False):
    stream_sid: str
    dtmf: _Digit


class _MarkMessage(msgspec.Struct, tag_field="event", tag="mark", rename="camel", gc=False):
    stream_sid: str
    mark: _Name


class _StopMessage(msgspec.Struct, tag_field="event", tag="stop", rename="camel"):
    stream_sid: str


class _AnyMessage(msgspec.Struct):
    event: str


_Message = _Connected | _StartMessage | _MediaMessage | _DigitMessage | _MarkMessage | _StopMessage
_DECODER: Final = msgspec.json.Decoder[_Message](_Message)
_ANY_DECODER: Final = msgspec.json.Decoder(_AnyMessage)


class TwilioStream:
    """One media socket of Twilio. The identity that its ``start`` tells is fixed from then on."""

    def __init__(self) -> None:
        self._opened: PhoneOpened | None = None
        self._stopped = False
        self._live: str | None = None  # the stream's id, from its start to its stop
        self._media = b""  # the constant beginning of a message of sound
        self._tail = b""  # the constant end of every other message

    def receive(self, message: bytes) -> Sequence[PhoneEvent]:
        """The events of one text message.

        Raises ProtocolError where it cannot be understood (the stream stays usable), and its subclass StreamRefused
        for a wrong media format or a second ``start`` with another identity (the socket must be closed).
        """
        if len(message) > MAX_MESSAGE:
            raise _malformed(f"a message of {len(message)} bytes, more than {MAX_MESSAGE}")
        try:
            parsed = _DECODER.decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return _unknown(message, error)
        if type(parsed) is _MediaMessage and parsed.stream_sid == self._live:  # nearly every message
            return _sound(parsed.media)
        if self._stopped:
            return (Ignored("after_stop"),)
        if isinstance(parsed, _Connected):
            return ()
        if isinstance(parsed, _StartMessage):
            return self._start(parsed.start)
        if self._opened is None:
            return (Ignored("before_start"),)
        if parsed.stream_sid != self._live or isinstance(parsed, _MediaMessage):
            return (Ignored("wrong_stream"),)
        if isinstance(parsed, _MarkMessage):
            return (PhoneReached(parsed.mark.name),)
        if isinstance(parsed, _DigitMessage):
            return _digit(parsed.dtmf)
        if isinstance(parsed, _StopMessage):
            self._stopped = True
            self._live = None
            return (PhoneClosed(orderly=True, detail="stop"),)
        assert_never(parsed)

    def send(self, order: PhoneOrder) -> bytes:
        """The message for one order. Raises LocalError before PhoneOpened: there is no stream to name yet."""
        if self._opened is None:
            raise LocalError("an order for a media stream that has not started")
        if isinstance(order, PlayAudio):
            return self._media + pybase64.b64encode(order.payload) + b'"}}'
        if isinstance(order, PlayMark):
            return b'{"event":"mark","mark":{"name":' + msgspec.json.encode(order.name) + b"}" + self._tail
        if isinstance(order, ClearAudio):
            return b'{"event":"clear"' + self._tail
        assert_never(order)

    def _start(self, start: _Start) -> Sequence[PhoneEvent]:
        told = _opened(start)
        if self._opened is not None:
            if told == self._opened:
                return (Ignored("duplicate_start"),)
            raise StreamRefused(
                "a second start names another stream, call or parameters", reason=Reason.CARRIER_PROTOCOL
            )
        if not _is_telephone(start.media_format):
            refused = StreamRefused(
                "the stream is not mu-law at 8000 Hz on one channel",
                reason=Reason.BAD_MEDIA_FORMAT,
                hint="Twilio sends audio/x-mulaw at 8000 Hz; check what stands between Twilio and the bridge.",
            )
            refused.opened = told
            raise refused
        self._opened = told
        self._live = told.stream_id
        sid = told.stream_id.encode()
        self._media = b'{"event":"media","streamSid":"' + sid + b'","media":{"payload":"'
        self._tail = b',"streamSid":"' + sid + b'"}'
        return (told,)


def _opened(start: _Start) -> PhoneOpened:
    if not _STREAM_SID.fullmatch(start.stream_sid):
        raise _malformed("start: streamSid is not a stream id")
    if not _CALL_SID.fullmatch(start.call_sid):
        raise _malformed("start: callSid is not CA and 32 hexadecimal digits")
    return PhoneOpened(
        stream_id=start.stream_sid,
        carrier_call_id=start.call_sid,
        account_id=start.account_sid,
        format=TELEPHONE,
        parameters=start.custom_parameters,
    )


def _is_telephone(media_format: object) -> bool:
    return isinstance(media_format, dict) and all(media_format.get(key) == value for key, value in _FORMAT.items())


def _sound(media: _Media) -> Sequence[PhoneEvent]:
    payload = media.payload
    if len(payload) > MAX_PAYLOAD:
        raise _malformed(f"media: {len(payload)} bytes of sound, more than {MAX_PAYLOAD}")
    if media.track != "inbound":
        return (Ignored("foreign_track"),)
    if not payload:
        return (Ignored("empty_media"),)
    return (PhoneAudio(payload),)


def _digit(dtmf: _Digit) -> Sequence[PhoneEvent]:
    # The track is called inbound_track here and inbound in media.
    if dtmf.track not in {"inbound", "inbound_track"}:
        return (Ignored("foreign_track"),)
    if dtmf.digit not in _DIGITS:
        raise _malformed("dtmf: no key of a telephone")
    return (PhoneDigit(dtmf.digit),)


def _unknown(message: bytes, error: Exception) -> Sequence[PhoneEvent]:
    """The typed decoder refuses an event name that it does not know, as it does garbage: here they part."""
    try:
        event = _ANY_DECODER.decode(message).event
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise _malformed(f"not a message of a media stream: {error}") from None
    if event not in _EVENTS:
        return (Ignored("unknown"),)
    raise _malformed(f"a malformed {event} message: {error}") from None


def _malformed(problem: str) -> ProtocolError:
    return ProtocolError(problem, reason=Reason.CARRIER_PROTOCOL)
