"""The body of a webhook: an urlencoded form, read strictly."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from bridge.errors import Reason, RemoteError

MAX_BODY: Final = 64 * 1024  # bytes
MAX_FIELDS: Final = 1000
MEDIA_TYPE: Final = "application/x-www-form-urlencoded"


class WebhookRefused(RemoteError):
    """A request that is not taken; ``status`` is the HTTP status of the answer. The text holds no value of the request."""

    status: int = 400

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, reason=Reason.CARRIER_PROTOCOL, hint=hint)


class BadRequest(WebhookRefused):
    """A field is malformed, missing or doubled, or the body is no form."""


class Unsigned(WebhookRefused):
    """The signature is missing or wrong."""

    status = 403


class ForeignAccount(WebhookRefused):
    """Signed, but of another account than the configured one."""

    status = 403


class TooLarge(WebhookRefused):
    """The body is larger than any request of Twilio's."""

    status = 413


class UnsupportedMedia(WebhookRefused):
    """The body is not urlencoded. Twilio's signature is defined over urlencoded fields only."""

    status = 415


class Form:
    """The fields of a request. A field may be doubled: only ``one`` and ``maybe`` decide that it must not be.

    Twilio's signature covers names and values run together, without a separator and each doubled pair once. So a signed
    request does not prove where a name ends and its value begins, nor that a field came once: whoever reads a field
    must ask for it exactly once and check its shape.
    """

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def one(self, name: str) -> str:
        """The value of a field that must be there exactly once. Raises BadRequest."""
        value = self.maybe(name)
        if value is None:
            raise BadRequest(
                f"{name} is missing", hint=f"Twilio always sends {name}; was the request changed on its way?"
            )
        return value

    def maybe(self, name: str) -> str | None:
        """The value of a field that may be missing, but not doubled. Raises BadRequest."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise BadRequest(f"{name} is there {len(values)} times")
        return values[0]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __len__(self) -> int:
        return sum(map(len, self._values.values()))


def is_form(content_type: str | None) -> bool:
    """Whether a Content-Type is that of an urlencoded form (its parameters are ignored)."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == MEDIA_TYPE


def read_pairs(body: bytes, *, errors: str = "strict") -> list[tuple[str, str]]:
    """Names and values in the order of the body, blank values kept: they are signed too. Raises ValueError."""
    text = body.decode("utf-8", errors)
    return parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors=errors, max_num_fields=MAX_FIELDS)


def parse_form(body: bytes, content_type: str | None) -> Form:
    """The fields of a body. Raises UnsupportedMedia, TooLarge, or BadRequest (not UTF-8, too many fields)."""
    if not is_form(content_type):
        raise UnsupportedMedia("the body is not urlencoded", hint=f"Send Content-Type: {MEDIA_TYPE}.")
    if len(body) > MAX_BODY:
        raise TooLarge(f"the body is larger than {MAX_BODY} bytes")
    try:
        return Form(read_pairs(body))
    except ValueError:
        raise BadRequest(f"the body is not a form in UTF-8 of at most {MAX_FIELDS} fields") from None
