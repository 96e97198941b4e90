"""X-Twilio-Signature: who may speak to us.

Source: Twilio, "Webhooks security": base64(HMAC-SHA1(auth token, URL + each name and value, sorted by name)). A name that
is doubled contributes its distinct values, sorted. The URL is the one that Twilio was told, so it is built from the
configured address and never from Host or X-Forwarded-*, which anybody can send.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from bridge.call.ports import Secret
from bridge.carriers.twilio.webhooks.form import (
    MAX_BODY,
    MEDIA_TYPE,
    Form,
    TooLarge,
    Unsigned,
    UnsupportedMedia,
    is_form,
    parse_form,
    read_pairs,
)

_DEFAULT_PORTS: Final = {"https": 443, "wss": 443, "http": 80, "ws": 80}


class Signature:
    """Verifies what claims to come from Twilio, over ``public_url`` and (for media sockets) ``media_url`` too.

    ``tokens``: every auth token that is valid now; two while one is being rotated. Paths and queries are the raw ones of
    the request line, not decoded. Raises ValueError where a token is blank: anybody can sign with a blank token.
    """

    def __init__(self, *, tokens: Sequence[Secret], public_url: str, media_url: str | None = None) -> None:
        self.use(tokens)
        self._webhook_bases = _bases(public_url, [urlsplit(public_url).scheme])
        addresses = dict.fromkeys([public_url] if media_url is None else [public_url, media_url])
        self._socket_bases = [base for address in addresses for base in _bases(address, ["wss", "ws"])]

    def use(self, tokens: Sequence[Secret]) -> None:
        """These are valid from now on, and no others. Raises ValueError."""
        if not tokens or not all(token.reveal().strip() for token in tokens):
            raise ValueError("an auth token is missing or blank")
        self._keys = [token.reveal().encode() for token in tokens]

    def admit(
        self, header: str | None, *, path: bytes, query: bytes = b"", content_type: str | None, body: bytes
    ) -> Form:
        """The fields of a POST that Twilio signed.

        Raises Unsigned (403), TooLarge (413), UnsupportedMedia (415), or BadRequest (400).
        """
        if not header:
            raise _unsigned()
        if len(body) > MAX_BODY:
            raise TooLarge(f"the body is larger than {MAX_BODY} bytes")
        if body and not is_form(content_type):
            raise UnsupportedMedia("the body is not urlencoded", hint=f"Send Content-Type: {MEDIA_TYPE}.")
        if not self.verify(header, path=path, query=query, body=body):
            raise _unsigned()
        return parse_form(body, MEDIA_TYPE)

    def verify(self, header: str | None, *, path: bytes, query: bytes = b"", body: bytes = b"") -> bool:
        """Whether a webhook with this urlencoded body was signed with one of our tokens. Never raises."""
        try:
            # Bytes that are no UTF-8 go through unchanged, so that a signature over them can be right: the form is
            # judged by parse_form, after it is known who sent it.
            pairs = read_pairs(body, errors="surrogateescape")
        except ValueError:
            return False
        fields = "".join(name + value for name, value in sorted(set(pairs))).encode("utf-8", "surrogateescape")
        target = path + (b"?" + query if query else b"")
        return self._matches(header, (base + target + fields for base in self._webhook_bases))

    def verify_upgrade(self, header: str | None, *, path: bytes, query: bytes = b"") -> bool:
        """Whether the upgrade of a media socket was signed with one of our tokens. Never raises.

        Twilio signs the ws(s) address of the TwiML, at times with a slash at its end that the request line does not have.
        """
        bare = path.rstrip(b"/")
        tail = b"?" + query if query else b""
        targets = (base + bare + slash + tail for base in self._socket_bases for slash in (b"", b"/"))
        return self._matches(header, targets)

    def judge_upgrade(self, target: str, header: str | None) -> bool | None:
        """``verify_upgrade`` of a request's path and query as they came; None where there is no signature to verify."""
        if header is None:
            return None
        path, _, query = target.partition("?")
        return self.verify_upgrade(header, path=path.encode("latin-1"), query=query.encode("latin-1"))

    def _matches(self, header: str | None, texts: Iterable[bytes]) -> bool:
        if not header:
            return False
        given = header.encode("utf-8", "replace")
        found = False
        for text in texts:
            for key in self._keys:
                right = base64.b64encode(hmac.digest(key, text, hashlib.sha1))
                found |= hmac.compare_digest(right, given)  # no early exit: the time taken tells nothing
        return found


def _bases(address: str, schemes: list[str]) -> list[bytes]:
    """The beginnings of an address with and without its port: Twilio is not consistent about which it signs."""
    parts = urlsplit(address)
    host = parts.netloc
    if parts.port is not None:
        host = host[: -len(f":{parts.port}")]
    path = parts.path.rstrip("/")
    bases: dict[bytes, None] = {}
    for scheme in schemes:
        port = parts.port if parts.port is not None else _DEFAULT_PORTS[scheme]
        bases[f"{scheme}://{host}{path}".encode()] = None
        bases[f"{scheme}://{host}:{port}{path}".encode()] = None
    return list(bases)


def _unsigned() -> Unsigned:
    return Unsigned(
        "the signature is missing or wrong",
        hint="Check that public_url is the address Twilio calls and auth_token that of the account; run callbridge doctor.",
    )
