"""The form fields that Twilio's REST API takes, judged strictly."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

Check = Callable[[str], bool]
E164 = re.compile(r"\+[1-9]\d{1,14}")


def url(value: str) -> bool:
    """An absolute http(s) URL; a host with an underscore is refused."""
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in (parts.hostname or "_")


def number(value: str) -> bool:
    """E.164."""
    return E164.fullmatch(value) is not None


def one_of(*values: str) -> Check:
    """One of a closed list."""
    return lambda value: value in values


def between(low: int, high: int) -> Check:
    """A whole number within bounds."""
    return lambda value: value.isdigit() and low <= int(value) <= high


def anything(_: str) -> bool:
    """Free text."""
    return True


BOOLEAN, METHOD = one_of("true", "false"), one_of("GET", "POST")
CALLBACK = {"StatusCallback": url, "StatusCallbackMethod": METHOD}
RECORDING = {
    "RecordingChannels": one_of("mono", "dual"),
    "RecordingTrack": one_of("inbound", "outbound", "both"),
    "RecordingStatusCallback": url,
    "RecordingStatusCallbackMethod": METHOD,
    "RecordingStatusCallbackEvent": one_of("in-progress", "completed", "absent"),
    "Trim": one_of("trim-silence", "do-not-trim"),
}
CREATE_CALL: dict[str, Check] = {
    "To": number,
    "From": number,
    "Url": url,
    "Method": METHOD,
    "Twiml": lambda value: len(value) <= 4000,
    "ApplicationSid": anything,
    "FallbackUrl": url,
    "FallbackMethod": METHOD,
    **CALLBACK,
    "StatusCallbackEvent": one_of("initiated", "ringing", "answered", "completed"),
    "SendDigits": lambda value: re.fullmatch(r"[0-9*#wW]{1,32}", value) is not None,
    "Timeout": between(1, 600),
    "TimeLimit": between(1, 86400),
    "Record": BOOLEAN,
    **RECORDING,
    "MachineDetection": one_of("Enable", "DetectMessageEnd"),
    "MachineDetectionTimeout": between(3, 59),
    "MachineDetectionSpeechThreshold": between(1000, 6000),
    "MachineDetectionSpeechEndThreshold": between(500, 5000),
    "MachineDetectionSilenceTimeout": between(2000, 10000),
    "AsyncAmd": BOOLEAN,
    "AsyncAmdStatusCallback": url,
    "AsyncAmdStatusCallbackMethod": one_of("POST"),
    "CallerId": anything,
    "CallReason": anything,
    "CallToken": anything,
}
UPDATE_CALL: dict[str, Check] = {
    "Status": one_of("completed", "canceled"),
    "Url": url,
    "Method": METHOD,
    "Twiml": CREATE_CALL["Twiml"],
    "FallbackUrl": url,
    "FallbackMethod": METHOD,
    **CALLBACK,
    "TimeLimit": between(1, 86400),
}
UPDATE_RECORDING: dict[str, Check] = {
    "Status": one_of("paused", "in-progress", "stopped"),
    "PauseBehavior": one_of("skip", "silence"),
}
CREATE_MESSAGE: dict[str, Check] = {
    "To": number,
    "From": number,
    "MessagingServiceSid": anything,
    "Body": lambda value: len(value) <= 1600,
    "MediaUrl": url,
    "StatusCallback": url,
    "ValidityPeriod": between(1, 36000),
    "ScheduleType": one_of("fixed"),
    "SendAt": anything,
}
REPEATABLE = {"StatusCallbackEvent", "RecordingStatusCallbackEvent", "MediaUrl"}


def judge(form: list[tuple[str, str]], fields: dict[str, Check]) -> list[str]:
    """What is undocumented, doubled or out of bounds."""
    found, seen = [], set()
    for name, value in form:
        if name not in fields:
            found.append(f"undocumented field {name!r}")
        elif name in seen and name not in REPEATABLE:
            found.append(f"{name} is given twice")
        elif not fields[name](value):
            found.append(f"{name} is {value[:60]!r}")
        seen.add(name)
    return found
