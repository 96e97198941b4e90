"""A request for one call, read and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bridge.carriers.twilio.rest import MAX_TWIML
from bridge.carriers.twilio.webhooks import twiml
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused

Scalar = str | int | float | bool
FARTHEST: Final = timedelta(days=3653)  # of not_before: ten years, beyond which a time is a slip
MAX_VARIABLES: Final = 100
MAX_VALUE: Final = 4000  # characters
MAX_MESSAGE: Final = 2000  # characters of a voicemail, some two minutes
MAX_TAG: Final = 35  # of a language (BCP 47, 4.4.1)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KNOWN: Final = frozenset(
    {"to", "from", "agent", "variables", "first_message", "machine_detection", "voicemail_message"}
    | {"max_duration_s", "not_before", "not_after"}
)
_DETECTION: Final = ("off", "detect", "leave_message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One call to be placed. Everything in it is possible and allowed."""

    to: str
    from_: str
    agent: str
    line: str
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    first_message: str = ""
    machine_detection: str = "off"
    voicemail_message: str = ""
    max_duration_s: int = 1800
    not_before: datetime | None = None
    not_after: datetime | None = None


def read(body: Any, policy: Policy, now: datetime) -> Wanted:
    """The request in a JSON body. Raises Refused (422) for the first thing in it that cannot be."""
    if not isinstance(body, dict):
        raise Refused("the body is no JSON object", hint='Send {"to": "+15550123456", "from": "+15550100"}.')
    unknown = sorted(set(map(str, body)) - _KNOWN)
    if unknown:
        raise Refused(f"unknown key {unknown[0][:40]!r}", hint=f"Known are: {', '.join(sorted(_KNOWN))}.")
    to = policy.destinations.check(_text(body, "to", required=True))
    from_ = _text(body, "from") or policy.default_caller()
    line = policy.caller(from_)
    if to == from_:
        raise Refused("the number is the one that calls", hint="Call somebody else.")
    agent = _text(body, "agent") or line.agents[0]
    if agent not in policy.agents:
        raise Refused("there is no such agent", hint="Name one of [agents.*].")
    detection = _text(body, "machine_detection") or policy.machine_detection
    if detection not in _DETECTION:
        raise Refused("machine_detection is unknown", hint=f"One of {', '.join(_DETECTION)}.")
    message = voicemail(_text(body, "voicemail_message", most=MAX_MESSAGE))
    if detection == "leave_message" and not message:
        raise Refused("there is no message to leave", hint='Give "voicemail_message".')
    longest = body.get("max_duration_s", policy.max_duration_s)
    if isinstance(longest, bool) or not isinstance(longest, int) or not 1 <= longest <= policy.max_duration_s:
        raise Refused(f"max_duration_s is not within 1 to {policy.max_duration_s}", hint="Whole seconds.")
    not_before, not_after = _time(body, "not_before"), _time(body, "not_after")
    if not_after is not None and not_after <= max(now, not_before or now):
        raise Refused("not_after has passed, or is not after not_before", hint="Give a later time.")
    if not_before is not None and not_before - now > FARTHEST:
        raise Refused("not_before is more than ten years away", hint="Give an earlier time.")
    return Wanted(
        to=to,
        from_=from_,
        agent=agent,
        line=line.number if line.number != "*" else from_,
        variables=variables_of(body.get("variables", {})),
        first_message=_text(body, "first_message"),
        machine_detection=detection,
        voicemail_message=message,
        max_duration_s=longest,
        not_before=not_before,
        not_after=not_after,
    )


def variables_of(found: Any) -> dict[str, Scalar]:
    """Variables for the agent: names, and texts, numbers or truth values. Raises Refused.

    One that is named as what the bridge itself tells (``phone_number``, ``call_id``) may be among them: the bridge's own wins
    where the agent is told.
    """
    if not isinstance(found, dict) or len(found) > MAX_VARIABLES:
        raise Refused("variables are no table, or too many", hint=f"At most {MAX_VARIABLES} names with values.")
    for name, value in found.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused("a variable's name cannot be", hint="Letters, digits and _, up to 64.")
        if not isinstance(value, Scalar) or (isinstance(value, str) and len(value) > MAX_VALUE):
            raise Refused(
                f"the variable {name} cannot be", hint=f"A text of at most {MAX_VALUE} characters, a number, or true."
            )
    return dict(found)


def voicemail(message: str) -> str:
    """A message that can be left whole: with every & written as &amp; it still fits into one request. Raises Refused."""
    room = MAX_TWIML - _written("")
    if _written(message) - _written("") > room:
        raise Refused(
            "voicemail_message is too long for the carrier",
            hint=f"At most {room} characters, where & counts for five, and < and > for four.",
        )
    return message


def _written(message: str) -> int:
    """How long the carrier is told it, in a language with the longest tag that there is."""
    return len(str(twiml.say(message or "a", language="x" * MAX_TAG) + twiml.hangup())) - (not message)


def moment(text: str) -> datetime:
    """ISO 8601 with a zone, in UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("without a zone")
    return found.astimezone(UTC)


def _text(body: Mapping[str, Any], key: str, *, required: bool = False, most: int = MAX_VALUE) -> str:
    value = body.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or len(value) > most or (required and not value):
        raise Refused(f"{key} is missing or no text", hint=f"A text of at most {most} characters.")
    return value


def _time(body: Mapping[str, Any], key: str) -> datetime | None:
    text = _text(body, key)
    if not text:
        return None
    try:
        return moment(text)
    except (ValueError, OverflowError):
        raise Refused(f"{key} is no time", hint="ISO 8601 with a zone: 2026-11-21T09:00:00-05:00.") from None
