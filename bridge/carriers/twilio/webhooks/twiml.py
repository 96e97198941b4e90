"""TwiML: what Twilio is told to do with a call. A closed set of verbs; nothing is ever passed through as markup.

Source: Twilio, "TwiML for Programmable Voice" and "for Messaging"; XML 1.0 section 2.2 (which characters may appear).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

MEDIA_TYPE: Final = "text/xml"
MAX_PARAMETER: Final = 499  # characters of a <Parameter>'s name and value together: "under 500"
MAX_SAY: Final = 4000  # characters of one <Say>
_ILLEGAL: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # and \r, which parsers change
_DIGITS: Final = re.compile(r"[0-9*#w]{1,32}")
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_SIP: Final = re.compile(r"sips?:[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
_ROOM: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RETRIES: Final = frozenset({"4xx", "5xx", "ct", "rt", "all"})


@dataclass(frozen=True, slots=True)
class Twiml:
    """Verbs in their order; ``a + b`` is a followed by b. ``str()`` gives the document."""

    verbs: str = ""

    def __add__(self, other: Twiml) -> Twiml:
        return Twiml(self.verbs + other.verbs)

    def __str__(self) -> str:
        return f'<?xml version="1.0" encoding="UTF-8"?><Response>{self.verbs}</Response>'

    def encode(self) -> bytes:
        """The document in UTF-8, to be answered as ``MEDIA_TYPE``."""
        return str(self).encode()


def connect_stream(
    stream_url: str,
    action_url: str,
    parameters: Mapping[str, str],
    *,
    status_url: str | None = None,
    then: Twiml | None = None,
) -> Twiml:
    """Open a media stream; when it is over, or could not be opened, Twilio asks at ``action_url``.

    ``then`` stands between the ``<Redirect>`` for a stream that could not be opened and the last ``<Hangup/>``. Raises
    ValueError for an address that is not ws(s) or has a query (Twilio strips it), or a parameter of 500 characters.
    """
    parts = urlsplit(stream_url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("the stream's address must be wss://host/path without a query")
    inner = ""
    for name, value in parameters.items():
        if len(name) + len(value) > MAX_PARAMETER:
            raise ValueError(f"parameter {name[:40]!r} is longer than {MAX_PARAMETER} characters with its name")
        inner += _element("Parameter", name=name, value=value)
    stream = _element("Stream", inner, url=stream_url, statusCallback=_http_maybe(status_url))
    connect = Twiml(_element("Connect", stream, action=_http(action_url), method="POST"))
    return connect + redirect(action_url) + (then or Twiml()) + hangup()


def reject(reason: str = "rejected") -> Twiml:
    """Refuse the call unanswered and unbilled; ``reason``: rejected or busy."""
    if reason not in {"rejected", "busy"}:
        raise ValueError("the reason of a <Reject> is rejected or busy")
    return Twiml(_element("Reject", reason=reason))


def hangup() -> Twiml:
    """End the call."""
    return Twiml(_element("Hangup"))


def say(text: str, *, language: str | None = None, voice: str | None = None) -> Twiml:
    """Speak; nothing where the text is empty."""
    words = clean(text)[:MAX_SAY]
    if not words.strip():
        return Twiml()
    return Twiml(_element("Say", escape(words), language=language, voice=voice))


def pause(seconds: int) -> Twiml:
    """Be silent for 1 to 60 seconds."""
    return Twiml(_element("Pause", length=str(min(60, max(1, seconds)))))


def redirect(url: str) -> Twiml:
    """Ask for more TwiML there, by POST."""
    return Twiml(_element("Redirect", escape(_http(url)), method="POST"))


def dial(
    number: str,
    *,
    caller_id: str | None = None,
    action_url: str | None = None,
    timeout_s: int = 30,
    time_limit_s: int | None = None,
    whisper_url: str | None = None,
) -> Twiml:
    """Connect the call to a number (E.164) or a SIP address. Raises ValueError for anything else.

    ``whisper_url``: TwiML for whoever answers, heard before the two are connected.
    ``timeout_s``: how long it rings, 5 to 600. With ``action_url`` the verbs that follow never run.
    """
    if _E164.fullmatch(number):
        kind = "Number"
    elif _SIP.fullmatch(number):
        kind = "Sip"
    else:
        raise ValueError("only E.164 numbers and sip: addresses can be dialled")
    method = None if whisper_url is None else "POST"
    target = _element(kind, number, url=_http_maybe(whisper_url), method=method)
    if caller_id is not None and not _E164.fullmatch(caller_id):
        raise ValueError("a caller id is an E.164 number")
    return Twiml(
        _element(
            "Dial",
            target,
            answerOnBridge="true",
            callerId=caller_id,
            timeout=str(min(600, max(5, timeout_s))),
            timeLimit=None if time_limit_s is None else str(max(1, time_limit_s)),
            action=_http_maybe(action_url),
            method=None if action_url is None else "POST",
        )
    )


def fallback(
    *, text: str = "", number: str | None = None, caller_id: str | None = None, action_url: str | None = None
) -> Twiml:
    """What a caller gets when no agent can be had: words, then a person where there is one, then the end of the call."""
    called = Twiml() if number is None else dial(number, caller_id=caller_id, action_url=action_url)
    return say(text) + called + hangup()


def play_digits(digits: str, *, then: Twiml | None = None) -> Twiml:
    """Press keys (0-9 * #, w: half a second), 32 at most, then go on. Raises ValueError for anything else."""
    if not _DIGITS.fullmatch(digits):
        raise ValueError("digits are 0-9, *, # and w, at most 32")
    return Twiml(_element("Play", digits=digits)) + (then or Twiml())


def conference(
    room: str,
    *,
    label: str | None = None,
    start_on_enter: bool = True,
    end_on_exit: bool = True,
    status_url: str | None = None,
    action_url: str | None = None,
) -> Twiml:
    """Put the call into a room with others, without beeps. Raises ValueError where the room's name has odd characters."""
    if not _ROOM.fullmatch(room):
        raise ValueError("a room's name is made of letters, digits, - and _")
    inner = _element(
        "Conference",
        room,
        beep="false",
        startConferenceOnEnter=str(start_on_enter).lower(),
        endConferenceOnExit=str(end_on_exit).lower(),
        participantLabel=label,
        statusCallback=_http_maybe(status_url),
        statusCallbackEvent=None if status_url is None else "start end join leave",
    )
    action = _http_maybe(action_url)
    return Twiml(_element("Dial", inner, action=action, method=None if action is None else "POST"))


def message(body: str) -> Twiml:
    """Answer a text message; nothing where the body is empty."""
    words = clean(body)[:1600]
    return Twiml(_element("Message", escape(words))) if words.strip() else Twiml()


def with_retries(
    url: str,
    *,
    connect_ms: int = 2000,
    read_ms: int = 10000,
    total_ms: int | None = None,
    retries: int = 5,
    policy: str = "all",
) -> str:
    """The address with connection overrides, by which Twilio retries while an instance restarts.

    They ride in the fragment, which is neither sent nor signed. Limits: connect 100 to 10000 ms, read and total 100 to
    15000 ms, 0 to 5 retries; policy: 4xx, 5xx, ct, rt, all, or several with commas. Raises ValueError beyond them.
    """
    limits = [(connect_ms, 10000), (read_ms, 15000)] + ([] if total_ms is None else [(total_ms, 15000)])
    if any(not 100 <= value <= most for value, most in limits) or not 0 <= retries <= 5:
        raise ValueError("a connection override is out of range")
    if not set(policy.split(",")) <= _RETRIES or "#" in url:
        raise ValueError("an unknown retry policy, or an address that has a fragment already")
    total = "" if total_ms is None else f"&tt={total_ms}"
    return f"{url}#ct={connect_ms}&rt={read_ms}{total}&rc={retries}&rp={policy}"


def clean(text: str) -> str:
    """The text without what XML 1.0 does not allow (controls, surrogates, U+FFFE): Twilio refuses the whole document."""
    return _ILLEGAL.sub("", text)


def _element(tag: str, inner: str = "", /, **attributes: str | None) -> str:
    """One element; ``inner`` is markup or escaped text already. Attributes that are None are left out."""
    parts = [tag]
    for name, value in attributes.items():
        if value is not None:
            safe = escape(clean(value), {'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})
            parts.append(f'{name}="{safe}"')
    start = " ".join(parts)
    return f"<{start}>{inner}</{tag}>" if inner else f"<{start}/>"


def _http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address that Twilio is to call must be http(s)://host/...")
    return clean(url)


def _http_maybe(url: str | None) -> str | None:
    return None if url is None else _http(url)
