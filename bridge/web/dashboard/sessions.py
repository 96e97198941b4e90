"""A key becomes a session cookie: signed by the key itself, so that every instance knows it and it ends with the key.

A cookie is ``version.expiry.nonce.signature``. Nothing is kept of it but those that were logged out, until they expire:
in memory, where every request looks, and in the store, for the other instances and the next start.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from bridge.web.access import Key, Visitor
from bridge.web.proxies import Proxies

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE: Final = "callbridge"
MAX_REVOKED: Final = 10_000
MAX_COOKIE: Final = 300  # characters


class Sessions:
    """Who is logged in. ``open_here``: a browser on this machine needs no login (the demo).

    Cross-site requests are nobody's: a cookie counts for other methods than GET, and for sockets, only where ``Origin``
    or ``Sec-Fetch-Site`` says that the page is ours.
    """

    def __init__(
        self,
        keys: Sequence[Key],
        proxies: Proxies,
        *,
        public_url: str,
        life_s: float,
        open_here: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.open_here = open_here
        self.use(keys)
        self._proxies = proxies
        self._public = urlsplit(public_url)
        self._life_s = life_s
        self._clock = clock
        self._revoked: OrderedDict[str, float] = OrderedDict()
        self._untold: dict[str, float] = {}  # the other instances do not know yet

    def use(self, keys: Sequence[Key]) -> None:
        """These count from now on; whoever came with another one is logged out."""
        self._keys = [
            (hmac.digest(key.secret.reveal().encode(), b"callbridge dashboard session", "sha256"), key, number)
            for number, key in enumerate(keys, 1)
        ]

    # ------------------------------------------------------------ who

    def recognise(self, request: HTTPConnection) -> Visitor | None:
        """The visitor whom the request's cookie, or its coming from this machine's own browser, proves."""
        unsafe = request.scope["type"] == "websocket" or request.scope.get("method", "GET") not in SAFE
        if unsafe and not self.same_origin(request):
            return None
        if self.open_here and self._proxies.is_local(request) and _host(request) in LOOPBACK:
            return Visitor("demo", "operator")
        return self._bearer_of(request.cookies.get(self._name(request), ""))

    def same_origin(self, request: HTTPConnection) -> bool:
        """The page that asks is ours: by its Origin, or without one by Sec-Fetch-Site."""
        origin = request.headers.get("origin")
        if origin is None:
            return request.scope["type"] != "websocket" and request.headers.get("sec-fetch-site") == "same-origin"
        try:
            parts = urlsplit(origin)
            if (parts.scheme, parts.netloc.lower()) == (self._public.scheme, self._public.netloc.lower()):
                return True
            here = parts.hostname in LOOPBACK and parts.scheme == "http"
        except ValueError:
            return False
        return here and parts.netloc.lower() == request.headers.get("host", "").lower()

    # ------------------------------------------------------------ in and out

    def log_in(self, presented: str, request: HTTPConnection, response: Response) -> None:
        """Give the one who has presented this key (which Access has judged) a cookie."""
        for signer, key, _ in self._keys:
            if hmac.compare_digest(key.secret.reveal().encode(), presented.encode()):
                text = f"1.{int(self._clock() + self._life_s)}.{secrets.token_urlsafe(16)}"
                self._set(request, response, f"{text}.{_signature(signer, text)}", int(self._life_s))
                return

    def log_out(self, request: HTTPConnection, response: Response) -> None:
        """The cookie is worth nothing from here on, wherever a copy of it is."""
        value = request.cookies.get(self._name(request), "")
        if self._bearer_of(value) is not None:
            _, expires, nonce, _ = value.split(".")
            self._untold[nonce] = float(expires)
            self._revoke(self._untold)
        self._set(request, response, "", 0)

    async def tell(self, exchange: Callable[[Mapping[str, float], float], Awaitable[Mapping[str, float]]]) -> None:
        """Tell the other instances who was logged out here, and learn who was there: ``Logouts.exchange``, or what fails as
        that does. What could not be told is told the next time.
        """
        told = dict(self._untold)
        self._revoke(await exchange(told, self._clock()))
        for nonce in told:
            self._untold.pop(nonce, None)

    def _revoke(self, sessions: Mapping[str, float]) -> None:
        self._revoked.update(sessions)
        for each in (self._revoked, self._untold):
            while len(each) > MAX_REVOKED:
                each.pop(next(iter(each)))

    def _bearer_of(self, value: str) -> Visitor | None:
        text, _, signature = value[:MAX_COOKIE].rpartition(".")
        parts = text.split(".")
        if len(parts) != 3 or parts[0] != "1" or not parts[1].isascii() or not parts[1].isdigit():
            return None
        found = None
        for signer, key, number in self._keys:
            if hmac.compare_digest(_signature(signer, text).encode(), signature.encode()):
                found = Visitor(key.name or f"key {number}", key.role)
        if found is None or int(parts[1]) <= self._clock() or parts[2] in self._revoked:
            return None
        return found

    # ------------------------------------------------------------ the cookie

    def _plain(self, request: HTTPConnection) -> bool:
        # A browser keeps no Secure cookie of an http page, and a cookie without TLS is fit for this machine only.
        return self._proxies.is_local(request) and _host(request) in LOOPBACK

    def _name(self, request: HTTPConnection) -> str:
        return COOKIE if self._plain(request) else f"__Host-{COOKIE}"

    def _set(self, request: HTTPConnection, response: Response, value: str, life_s: int) -> None:
        response.set_cookie(
            self._name(request),
            value,
            max_age=life_s,
            path="/",
            secure=not self._plain(request),
            httponly=True,
            samesite="strict",
        )


def _host(request: HTTPConnection) -> str:
    try:
        return urlsplit("//" + request.headers.get("host", "")).hostname or ""
    except ValueError:
        return ""


def _signature(signer: bytes, text: str) -> str:
    mark = hmac.new(signer, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mark).decode().rstrip("=")
