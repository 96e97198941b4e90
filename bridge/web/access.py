"""Who may use the operator API: keys, their roles, and the slowing down of those who guess."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from starlette.requests import HTTPConnection

from bridge.call.ports import Secret
from bridge.throttle import Throttle
from bridge.web.proxies import Proxies

Role = Literal["viewer", "operator"]
TRIES_PER_MINUTE: Final = 10  # wrong keys of one address that are looked at
MAX_KEY: Final = 1000  # characters

log = structlog.get_logger("bridge.access")


@dataclass(frozen=True, slots=True)
class Key:
    """One configured key."""

    secret: Secret
    role: Role = "operator"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who has proved who they are. ``name`` stands in the log of what was done."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """An operator may do all that a viewer may."""
        return role == "viewer" or self.role == "operator"


class Denied(Exception):
    """The request is refused with ``status``; ``headers`` go with the answer."""

    def __init__(self, status: int, detail: str, remedy: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.remedy = remedy
        self.headers = headers or {}


Recognise = Callable[[HTTPConnection], Visitor | None]


class Access:
    """The keys of this deployment. ``recognised_by``: other proofs than a key (a dashboard's session), asked in order."""

    def __init__(
        self, keys: Sequence[Key], proxies: Proxies | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.proxies = proxies or Proxies()
        self.recognised_by: list[Recognise] = []
        self.refused = 0
        self.use(keys)
        self._throttle = Throttle(TRIES_PER_MINUTE, 60.0, clock=clock)

    def use(self, keys: Sequence[Key]) -> None:
        """These count from now on, and no others."""
        self._keys = [
            (_digest(key.secret.reveal()), Visitor(key.name or f"key {number}", key.role))
            for number, key in enumerate(keys, 1)
        ]

    @property
    def configured(self) -> bool:
        """There are keys. Without any, the operator API and the dashboard are off: nothing of them can be found."""
        return bool(self._keys)

    def admit(self, request: HTTPConnection, role: Role = "viewer") -> Visitor:
        """Who asks. Raises Denied: 404 without keys, 429 after too many wrong ones, 401, or 403 for a viewer who wants more."""
        if not self.configured:
            raise Denied(404, "The operator API is off.", "Set [api] keys in the configuration.")
        visitor = self.visitor(request)
        if visitor is None:
            self.refused += 1
            raise Denied(
                401,
                "No key, or not one of ours.",
                "Send the header: Authorization: Bearer KEY, with a key of [api] keys.",
                {"WWW-Authenticate": 'Bearer realm="callbridge"'},
            )
        if not visitor.may(role):
            raise Denied(403, "This key may only look.", "Use a key whose role is operator.")
        return visitor

    def visitor(self, request: HTTPConnection) -> Visitor | None:
        """Who asks, None where nothing proves it. Raises Denied (429) where this address has guessed too often."""
        presented = bearer(request.headers.get("authorization"))
        if presented is not None:
            return self.judge(presented, self.proxies.client(request))
        return next((found for each in self.recognised_by if (found := each(request)) is not None), None)

    def judge(self, presented: str, client: str) -> Visitor | None:
        """Whose key this is. Wrong ones count against ``client``; then none of its keys is looked at for a while."""
        if wait := self._throttle.wait(client):
            raise Denied(
                429,
                "Too many wrong keys from this address.",
                "Wait, then send a right one.",
                {"Retry-After": str(math.ceil(wait))},
            )
        visitor = self._match(presented)
        if visitor is None:
            self._throttle.count(client)
            log.warning("wrong_key", peer=client)
        return visitor

    def _match(self, presented: str) -> Visitor | None:
        digest = _digest(presented[:MAX_KEY])
        found = None
        for known, visitor in self._keys:  # all of them, always: time tells nothing
            if hmac.compare_digest(known, digest):
                found = visitor
        return found


def bearer(header: str | None) -> str | None:
    """The credential of an Authorization header; None where there is none of this kind (RFC 6750, section 2.1)."""
    scheme, _, value = (header or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value.strip() else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
