"""The softphone's WebSocket messages to events, orders to its messages. The other side is ``web/dashboard/static/softphone.js``.

All messages are JSON text with a ``type``; sound is mu-law at 8 kHz in base64::

    page:    start {call, line, agent}   audio {data}   key {key}   played {mark}   stop {}
    bridge:  play {data}                 mark {mark}    clear {}

``played`` answers ``mark`` once everything before it has sounded, or was cleared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, assert_never

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

ACCOUNT: Final = "softphone"
MAX_MESSAGE: Final = 16 * 1024  # bytes of one message
MAX_PAYLOAD: Final = 4 * 1024  # bytes of decoded sound in one message: half a second, where 20 ms is usual
_TYPES: Final = frozenset({"start", "audio", "key", "played", "stop"})


class StreamRefused(ProtocolError):
    """A second ``start`` with another identity: the socket must be closed."""

    fatal: Final = True
    close_code: Final = 1008  # policy violation (RFC 6455 7.4.1)


class _Start(msgspec.Struct, tag_field="type", tag="start"):
    call: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    line: Annotated[str, msgspec.Meta(max_length=64)] = ""
    agent: Annotated[str, msgspec.Meta(max_length=64)] = ""


class _Audio(msgspec.Struct, tag_field="type", tag="audio", gc=False):
    data: bytes  # msgspec decodes base64 by the strict alphabet, padding included


class _Key(msgspec.Struct, tag_field="type", tag="key"):
    key: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-D*#]$")]


class _Played(msgspec.Struct, tag_field="type", tag="played"):
    mark: Annotated[str, msgspec.Meta(max_length=64)]


class _Stop(msgspec.Struct, tag_field="type", tag="stop"):
    pass


class _Any(msgspec.Struct):
    type: str


_Message = _Start | _Audio | _Key | _Played | _Stop
_DECODER: Final = msgspec.json.Decoder[_Message](_Message)
_ANY: Final = msgspec.json.Decoder(_Any)


class SoftphoneStream:
    """One media socket of a page."""

    def __init__(self) -> None:
        self._start: _Start | None = None
        self._stopped = False

    def receive(self, message: bytes) -> Sequence[PhoneEvent]:
        """The events of one text message.

        Raises ProtocolError where it cannot be understood, and StreamRefused for a second ``start`` of another call.
        """
        if len(message) > MAX_MESSAGE:
            raise _malformed(f"a message of {len(message)} bytes, more than {MAX_MESSAGE}")
        try:
            parsed = _DECODER.decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return _unknown(message, error)
        if self._stopped:
            return (Ignored("after_stop"),)
        if isinstance(parsed, _Start):
            return self._begin(parsed)
        if self._start is None:
            return (Ignored("before_start"),)
        if isinstance(parsed, _Audio):
            return _sound(parsed.data)
        if isinstance(parsed, _Key):
            return (PhoneDigit(parsed.key),)
        if isinstance(parsed, _Played):
            return (PhoneReached(parsed.mark),)
        if isinstance(parsed, _Stop):
            self._stopped = True
            return (PhoneClosed(orderly=True, detail="stop"),)
        assert_never(parsed)

    def send(self, order: PhoneOrder) -> bytes:
        """The message for one order. Raises LocalError before PhoneOpened."""
        if self._start is None:
            raise LocalError("an order for a media stream that has not started")
        if isinstance(order, PlayAudio):
            return b'{"type":"play","data":"' + pybase64.b64encode(order.payload) + b'"}'
        if isinstance(order, PlayMark):
            return b'{"type":"mark","mark":' + msgspec.json.encode(order.name) + b"}"
        if isinstance(order, ClearAudio):
            return b'{"type":"clear"}'
        assert_never(order)

    def _begin(self, start: _Start) -> Sequence[PhoneEvent]:
        if self._start is not None:
            if start == self._start:
                return (Ignored("duplicate_start"),)
            raise StreamRefused("a second start names another call", reason=Reason.CARRIER_PROTOCOL)
        self._start = start
        return (
            PhoneOpened(
                stream_id=start.call,
                carrier_call_id=start.call,
                account_id=ACCOUNT,
                format=TELEPHONE,
                parameters={"line": start.line, "agent": start.agent},
            ),
        )


def _sound(payload: bytes) -> Sequence[PhoneEvent]:
    if len(payload) > MAX_PAYLOAD:
        raise _malformed(f"audio: {len(payload)} bytes of sound, more than {MAX_PAYLOAD}")
    return (PhoneAudio(payload),) if payload else (Ignored("empty_audio"),)


def _unknown(message: bytes, error: Exception) -> Sequence[PhoneEvent]:
    """The typed decoder refuses a type that it does not know, as it does garbage: here they part."""
    try:
        kind = _ANY.decode(message).type
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise _malformed(f"not a message of a softphone: {error}") from None
    if kind not in _TYPES:
        return (Ignored("unknown"),)
    raise _malformed(f"a malformed {kind} message: {error}") from None


def _malformed(problem: str) -> ProtocolError:
    return ProtocolError(problem, reason=Reason.CARRIER_PROTOCOL)
