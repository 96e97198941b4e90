"""What a value of the configuration may be: rules that stand in the model's annotations and are read off them.

A rule never quotes the value it refuses: whatever stands in a configuration may be a secret in the wrong place.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

Scalar = str | int | float | bool  # what a dynamic variable may hold


class Complaint(NamedTuple):
    """What is wrong with a value, and how to put it right. Never holds the value."""

    problem: str
    remedy: str


class Rule(Protocol):
    """A check of one value."""

    def complain(self, value: Any) -> Complaint | None:
        """None where the value is right."""
        ...


@dataclass(frozen=True, slots=True)
class Range:
    """A number from ``low`` to ``high``, both included."""

    low: float
    high: float

    def complain(self, value: float) -> Complaint | None:
        """NaN and the infinities, which TOML knows, are outside every range."""
        if self.low <= value <= self.high:
            return None
        return Complaint("is out of range", f"Set a number from {self.low:g} to {self.high:g}.")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text that matches a regular expression from its first character to its last."""

    expression: str
    problem: str
    remedy: str

    def complain(self, value: str) -> Complaint | None:
        """None where all of the text matches."""
        return None if re.fullmatch(self.expression, value) else Complaint(self.problem, self.remedy)


@dataclass(frozen=True, slots=True)
class Length:
    """A text, list or table of ``low`` to ``high`` characters or entries."""

    low: int
    high: int

    def complain(self, value: str) -> Complaint | None:
        """None where the length is within bounds."""
        if len(value) < self.low:
            return Complaint("is too short", f"It needs {self.low} or more.")
        if len(value) > self.high:
            return Complaint("is too long", f"At most {self.high} are possible.")
        return None


class SigningSecret:
    """``whsec_`` and base64, as Standard Webhooks has it ("Signature scheme": 24 to 64 bytes; 16 are let pass)."""

    def complain(self, value: str) -> Complaint | None:
        """None where the key can be decoded and is long enough."""
        remedy = "Write whsec_ and 24 to 64 random bytes in base64: echo whsec_$(openssl rand -base64 32)."
        if not value.startswith("whsec_"):
            return Complaint("does not begin with whsec_", remedy)
        try:
            key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            return Complaint("is not base64 after whsec_", remedy)
        return None if 16 <= len(key) <= 64 else Complaint("has a key of the wrong length", remedy)


class NotSample:
    """A text that nobody has filled in yet is refused."""

    def complain(self, value: str) -> Complaint | None:
        """None where the text looks filled in."""
        if not value.strip():
            return Complaint("is blank", "Set it, or take the key out.")
        if is_sample(value):
            return Complaint("is a sample out of some documentation", "Put your own there.")
        return None


class Zone:
    """The name of a time zone of the IANA database."""

    def complain(self, value: str) -> Complaint | None:
        """None where the zone is known here."""
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # OSError: "America" is a folder of the database
            return Complaint("is not a known time zone", 'Write a name such as "Europe/Berlin" or "America/New_York".')
        return None


@dataclass(frozen=True, slots=True)
class Parse:
    """The value is written as a text and kept as what ``read`` makes of it; ``read`` raises ValueError."""

    read: Callable[[str], Any]
    remedy: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A table whose key ``tag`` says which of several dataclasses it is."""

    tag: str
    choices: Mapping[str, type]


class OneOrMore:
    """A list that may be written as its only entry."""


class JsonTable:
    """A table of anything that JSON can say."""


# Words that stand where a secret should, whole; matched without regard to case.
_SAMPLE_WORDS: Final = frozenset(
    {
        *("secret", "password", "passwd", "token", "auth_token", "authtoken", "api_key", "apikey", "key"),
        *("example", "sample", "placeholder", "none", "null", "todo"),
    }
)
_SAMPLE_SHAPES: Final = re.compile(
    r"your[-_ ].*"  # your_auth_token, YOUR_API_KEY, your-agent-id
    r"|(please[-_ ])?(change|replace)[-_ ]?(me|this)([-_ !.].*)?"
    r"|(insert|put|enter|paste)[-_ ].*here"
    r"|[a-z_-]*x{3,}"  # xxxx, kura_live_xxx, whsec_xxxxxxxx
    r"|<.*>|\$?\{.*\}|.*(\.\.\.|…)"
    r"|[*.\-_?#]+",
    re.IGNORECASE | re.DOTALL,
)


def is_sample(text: str) -> bool:
    """Whether a secret or an id was copied from a document rather than filled in."""
    text = text.strip()
    return text.lower() in _SAMPLE_WORDS or _SAMPLE_SHAPES.fullmatch(text) is not None


def blemish(text: str) -> Complaint | None:
    """What is wrong with a secret of any kind. It travels in headers and URLs: printable ASCII without spaces around it."""
    if not text.strip():
        return Complaint("is blank", "Set it, or take the key out.")
    if len(text) == 1:
        return Complaint("is a single character", "Set the real secret.")
    if is_sample(text):
        return Complaint("is a sample out of some documentation", "Set the real secret.")
    if text != text.strip() or not text.isascii() or not text.isprintable():
        return Complaint(
            "holds a space or line break at an end, or characters that are not printable ASCII",
            "Copy it again without what surrounds it.",
        )
    return None


# A name may not hold "__": that separates sections in the names of environment variables.
NAME: Final = r"(?!.*__)[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?"

PhoneNumber = Annotated[
    str, Pattern(r"\+[1-9][0-9]{6,14}", "is not a phone number in E.164", "Write + and the country code: +15550100.")
]
LineNumber = Annotated[
    str,
    Pattern(
        r"\*|\+[1-9][0-9]{6,14}", "is neither a phone number in E.164 nor *", 'Write "+15550100", or "*" for any other.'
    ),
]
Prefix = Annotated[
    str, Pattern(r"\+[1-9][0-9]{0,14}", "is not the beginning of a phone number", 'Write + and digits: "+1", "+4930".')
]
CallerPattern = Annotated[
    str,
    Pattern(r"\+[1-9][0-9]{0,14}\*?", "is neither a phone number nor a pattern", 'Write "+15550100" or "+1555*".'),
]
Name = Annotated[
    str, Pattern(NAME, "is not a name", "Use letters, digits, - and single _, up to 64, a letter or digit at each end.")
]
Language = Annotated[
    str, Pattern(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", "is not a language code", 'Write a BCP 47 code: "en", "en-US".')
]
TimeZone = Annotated[str, Zone()]
Spoken = Annotated[str, Length(0, 1000)]  # said in one go over TwiML, whose documents end at 4000 characters
Identifier = Annotated[
    str,
    NotSample(),
    Pattern(r"[!-~]{1,200}", "holds spaces or strange characters", "Copy the id again from the dashboard."),
]
Host = Annotated[
    str,
    Pattern(
        r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?",
        "is not a host name",
        'Write the host, without scheme or path: "eu.api.example.com".',
    ),
]
ModuleName = Annotated[
    str,
    Pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "is not the name of a module", 'Write it as for import: "clinic.tools".'),
]
