"""What must not be read in a log line is taken out of it: secrets, credentials, phone numbers, control characters.

A net below the rule that none of these is logged in the first place.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from bridge.call.ports import Secret

MAX_VALUE: Final = 2000  # characters of one value
MAX_TRACE: Final = 6000  # of a traceback: its end, where the error stands
MAX_ITEMS: Final = 64  # of one mapping or list
MAX_DEPTH: Final = 6
HEAD: Final = 12  # characters of a secret by which its beginning is known, where the rest was cut off
MASK: Final = "***"
TRACES: Final = frozenset({"exception", "stack"})
HIDDEN: Final = frozenset(
    {
        *("authorization", "api_key", "apikey", "xi-api-key", "x-api-key", "x-twilio-signature", "auth_token", "token"),
        *("secret", "password", "cookie", "set-cookie", "grant", "websocket_url", "signed_url"),
    }
)

_NUMBER: Final = re.compile(r"(?:\+|%2[Bb])[1-9][0-9]{4,12}([0-9]{2})(?![0-9])")
_PARAMETER: Final = re.compile(
    r"(?i)((?:api[_-]?key|access[_-]?token|auth[_-]?token|conversation_signature|token|secret|signature|password|[?&]key)(?:=|%3d|\"\s*:\s*\"|'\s*:\s*'))[^\s&\"'<>]+"
)
_HEADER: Final = re.compile(
    r"(?i)(\b(?:authorization|xi-api-key|x-api-key|x-twilio-signature|cookie)\b[\"']?\s*[:=,]\s*[\"']?(?:(?:bearer|basic)\s+)?)[^\s\"',<>]+"
)
_SCHEME: Final = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}|\b(basic\s+)[A-Za-z0-9+/=]{16,}")
_USERINFO: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+@")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_NEWLINE: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Redactor:
    """A processor of structlog: the last before the line is written."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._forms: set[str] = set()
        self._secrets: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Hide these too from now on."""
        texts = {text for each in secrets for text in _texts(each.reveal())}
        self._forms |= {form for text in texts for form in _forms(text)}
        forms = sorted(self._forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(forms)) if forms else None

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        """The event with nothing in it that may not be read."""
        return {
            self.text(str(key), 100): self._trace(value) if key in TRACES else self._value(key, value, 0)
            for key, value in list(event.items())[:MAX_ITEMS]
        }

    def text(self, text: str, limit: int = MAX_VALUE) -> str:
        """A single text, made safe."""
        return _CONTROL.sub(_escaped, self._hide(text, limit))

    def _trace(self, value: Any) -> str:
        hidden = self._hide(str(value), 10 * MAX_TRACE)
        return _NOT_NEWLINE.sub(_escaped, hidden[-MAX_TRACE:])

    def _value(self, key: object, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            return value if -(2**63) <= value < 2**63 else str(value)[:40]
        if str(key).lower() in HIDDEN:
            return MASK
        if isinstance(value, MutableMapping) and depth < MAX_DEPTH:
            pairs = list(value.items())[:MAX_ITEMS]
            return {self.text(str(name), 100): self._value(name, item, depth + 1) for name, item in pairs}
        if isinstance(value, list | tuple | set | frozenset) and depth < MAX_DEPTH:
            return [self._value(None, item, depth + 1) for item in list(value)[:MAX_ITEMS]]
        if isinstance(value, bytes | bytearray):
            value = bytes(value[:MAX_VALUE]).decode("latin-1")
        try:
            return self.text(str(value))
        except Exception:  # noqa: BLE001 - whatever an object's own __str__ raises
            return f"<{type(value).__name__}>"

    def _hide(self, text: str, limit: int) -> str:
        # Cut after hiding, or the beginning of a secret would be left at the cut; but never work on a megabyte.
        text = text[: 2 * limit]
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
            if "%" in text and self._secrets.search(plain := unquote(text)):
                text = self._secrets.sub(MASK, plain)
        text = _HEADER.sub(rf"\1{MASK}", _PARAMETER.sub(rf"\1{MASK}", text))
        text = _SCHEME.sub(lambda found: (found[1] or found[2]) + MASK, text)
        text = _USERINFO.sub(rf"\1{MASK}@", text)
        text = _NUMBER.sub(rf"{MASK}\1", text)
        return text if len(text) <= limit else text[:limit] + "…"


def _texts(secret: str) -> set[str]:
    """Of an address only the password is secret: to hide the whole would hide every address of that kind."""
    if "://" not in secret:
        return {secret}
    password = urlsplit(secret).password or ""
    return {password, unquote(password)}


def _forms(secret: str) -> list[str]:
    """Patterns of a secret as it may turn up: as it is (or its beginning), and within base64, wherever it stands there."""
    if len(secret) < 4:
        return []
    forms = [_begun(secret, r"[^\s\"'&<>,;]*")]
    raw = secret.encode()
    for shift in range(3):  # a text of base64 may have it at any of three places of its groups of three
        padded = b"\0" * shift + raw
        coded = base64.b64encode(padded[: len(padded) // 3 * 3]).decode()[(0, 2, 3)[shift] :]
        if len(coded) >= 8:
            forms += [_begun(each, r"[A-Za-z0-9+/=_-]*") for each in {coded, coded.translate({43: "-", 47: "_"})}]
    return forms


def _begun(text: str, rest: str) -> str:
    return re.escape(text) if len(text) <= HEAD else re.escape(text[:HEAD]) + rest


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
