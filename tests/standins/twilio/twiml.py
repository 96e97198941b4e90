"""A strict reader of TwiML: what Twilio's documents do not have is a problem."""

import ipaddress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

PARAMETER_LIMIT = 500  # characters of name and value together; must stay under
CALLBACK = ("statusCallback", "statusCallbackMethod", "statusCallbackEvent")
RECORDING = ("recordingStatusCallback", "recordingStatusCallbackMethod", "recordingStatusCallbackEvent")
AMD = (
    "machineDetection",
    "machineDetectionTimeout",
    "machineDetectionSpeechThreshold",
    "machineDetectionSpeechEndThreshold",
    "machineDetectionSilenceTimeout",
    "amdStatusCallback",
    "amdStatusCallbackMethod",
)


@dataclass(frozen=True)
class Grammar:
    """What an element may have: attributes, children, text."""

    attributes: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    text: bool = False


STREAM = Grammar(("url", "name", "track", "statusCallback", "statusCallbackMethod"), ("Parameter",))
ELEMENTS: dict[str, Grammar] = {
    "Say": Grammar(("voice", "language", "loop"), (), text=True),
    "Play": Grammar(("loop", "digits"), (), text=True),
    "Pause": Grammar(("length",)),
    "Hangup": Grammar(),
    "Reject": Grammar(("reason",)),
    "Redirect": Grammar(("method",), (), text=True),
    "Connect": Grammar(("action", "method"), ("Stream",)),
    "Start": Grammar((), ("Stream", "Recording")),
    "Stop": Grammar((), ("Stream",)),
    "Stream": STREAM,
    "Parameter": Grammar(("name", "value")),
    "Recording": Grammar((*RECORDING, "trim", "track", "channels")),
    "Record": Grammar(("action", "method", "timeout", "finishOnKey", "maxLength", "playBeep", "trim", *RECORDING)),
    "Gather": Grammar(
        (
            "input",
            "numDigits",
            "timeout",
            "finishOnKey",
            "action",
            "method",
            "actionOnEmptyResult",
            "language",
            "hints",
        ),
        ("Say", "Play", "Pause"),
    ),
    "Dial": Grammar(
        (
            *(
                "action",
                "method",
                "timeout",
                "hangupOnStar",
                "timeLimit",
                "callerId",
                "record",
                "trim",
                "answerOnBridge",
            ),
            *("ringTone", "recordingTrack", "sequential", "referUrl", "referMethod", "events", *RECORDING),
        ),
        ("Number", "Sip", "Client", "Conference", "Queue"),
        text=True,
    ),
    "Number": Grammar(("sendDigits", "url", "method", "byoc", *CALLBACK, *AMD), (), text=True),
    "Sip": Grammar(("username", "password", "url", "method", *CALLBACK, *AMD), (), text=True),
    "Client": Grammar(("url", "method", *CALLBACK), (), text=True),
    "Queue": Grammar(("url", "method", "reservationSid", "postWorkActivitySid"), (), text=True),
    "Conference": Grammar(
        (
            *(
                "muted",
                "beep",
                "startConferenceOnEnter",
                "endConferenceOnExit",
                "waitUrl",
                "waitMethod",
                "maxParticipants",
            ),
            *("record", "region", "coach", "trim", "eventCallbackUrl", "jitterBufferSize", "participantLabel"),
            *(*CALLBACK, *RECORDING),
        ),
        (),
        text=True,
    ),
    "Refer": Grammar(("action", "method"), ("Sip",)),
    "Message": Grammar(("to", "from", "action", "method", "statusCallback"), ("Body", "Media"), text=True),
    "Body": Grammar(text=True),
    "Media": Grammar(text=True),
}
VOICE = {
    "Say",
    "Play",
    "Pause",
    "Hangup",
    "Reject",
    "Redirect",
    "Connect",
    "Start",
    "Stop",
    "Record",
    "Gather",
    "Dial",
    "Refer",
}
MESSAGING = {"Message", "Redirect"}
ENUMS = {
    ("Reject", "reason"): {"rejected", "busy"},
    ("Stream", "track"): {"inbound_track", "outbound_track", "both_tracks"},
    ("Redirect", "method"): {"GET", "POST"},
    ("Connect", "method"): {"GET", "POST"},
    ("Dial", "method"): {"GET", "POST"},
    ("Dial", "record"): {
        *("do-not-record", "record-from-answer", "record-from-ringing"),
        *("record-from-answer-dual", "record-from-ringing-dual"),
    },
    ("Dial", "answerOnBridge"): {"true", "false"},
}
NUMBERS = {
    ("Pause", "length"),
    ("Dial", "timeout"),
    ("Dial", "timeLimit"),
    ("Say", "loop"),
    ("Play", "loop"),
    ("Gather", "numDigits"),
}


@dataclass(frozen=True)
class Verb:
    """An element of a document."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: tuple["Verb", ...] = ()

    def get(self, attribute: str, default: str = "") -> str:
        """An attribute."""
        return self.attributes.get(attribute, default)

    def child(self, name: str) -> "Verb | None":
        """The first child of a name."""
        return next((c for c in self.children if c.name == name), None)


class TwimlError(Exception):
    """Not a document at all (Twilio's error 12100)."""


def parse(text: str | bytes, *, verbs: set[str] = VOICE) -> tuple[list[Verb], list[str]]:
    """The verbs of a document, and its problems; TwimlError where it is not XML or not a Response."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise TwimlError(f"not well-formed XML ({error})") from None
    if root.tag != "Response":
        raise TwimlError(f"the root is <{root.tag}>, not <Response>")
    problems = [f"<Response> has {name!r}" for name in root.attrib]
    if (root.text or "").strip() or any((e.tail or "").strip() for e in root):
        problems.append("text between the verbs")
    found = []
    for element in root:
        if element.tag not in verbs:
            problems.append(f"<{element.tag}> is not a verb here")
            continue
        found.append(_element(element, problems))
    for index, verb in enumerate(found):
        if verb.name == "Reject" and index:
            problems.append("<Reject> is not the first verb")
    return found, problems


def _element(element: Any, problems: list[str]) -> Verb:
    grammar, name = ELEMENTS[element.tag], element.tag
    for key, value in element.attrib.items():
        if key not in grammar.attributes:
            problems.append(f"<{name}> has no attribute {key!r}")
        elif (name, key) in ENUMS and value not in ENUMS[name, key]:
            problems.append(f"<{name} {key}={value!r}>")
        elif (name, key) in NUMBERS and not value.isdigit():
            problems.append(f"<{name} {key}={value!r}> is not a number")
    text = (element.text or "").strip()
    if text and not grammar.text:
        problems.append(f"<{name}> holds text")
    children = []
    for inner in element:
        if inner.tag not in grammar.children:
            problems.append(f"<{name}> may not hold <{inner.tag}>")
        else:
            children.append(_element(inner, problems))
    verb = Verb(name, dict(element.attrib), text, tuple(children))
    problems += _meaning(verb)
    return verb


def _meaning(verb: Verb) -> list[str]:
    if verb.name == "Connect":
        if len(verb.children) != 1:
            return ["<Connect> must hold one noun"]
        return (
            ["a bidirectional stream has the inbound track only"]
            if verb.children[0].get("track", "inbound_track") != "inbound_track"
            else []
        )
    if verb.name == "Stream" and verb.get("url"):
        return _stream_url(verb.get("url"))
    if verb.name == "Parameter":
        if not verb.get("name") or "value" not in verb.attributes:
            return ["<Parameter> needs name and value"]
        if len(verb.get("name")) + len(verb.get("value")) >= PARAMETER_LIMIT:
            return [f"<Parameter name={verb.get('name')!r}> has {PARAMETER_LIMIT} characters or more"]
    if verb.name in {"Say", "Redirect", "Number", "Sip", "Conference"} and not verb.text:
        return [f"<{verb.name}> is empty"]
    if verb.name == "Dial" and not verb.text and not verb.children:
        return ["<Dial> has nobody to dial"]
    if verb.name == "Play" and bool(verb.text) == bool(verb.get("digits")):
        return ["<Play> needs either a URL or digits"]
    return []


def _stream_url(url: str) -> list[str]:
    parts = urlsplit(url)
    problems = []
    if parts.scheme != "wss" and not (parts.scheme == "ws" and _loopback(parts.hostname or "")):
        problems.append(f"<Stream url={url!r}> is not wss")
    if parts.query or "?" in url:
        problems.append("<Stream url> has a query string, which is stripped (31920)")
    if parts.fragment:
        problems.append("<Stream url> has a fragment")
    return problems


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
