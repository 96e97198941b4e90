"""Tokens of an issuer whose users may have credentials (RFC 7519, RFC 8725): asymmetric signatures only.

The issuer's keys are fetched from its one configured address, kept for a while, and fetched anew at most so often,
whatever key ids strangers send.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog

FRESH_S: Final = 600.0  # how long keys are taken as they are
AGAIN_S: Final = 30.0  # the least time between two fetches
FETCH_S: Final = 3.0
MAX_KEYS_BODY: Final = 64 * 1024
MAX_TOKEN: Final = 8192
MAX_USER: Final = 200
LEEWAY_S: Final = 30  # of clocks that differ
WEAK: Final = frozenset({"none", "HS256", "HS384", "HS512"})

log = structlog.get_logger("bridge.jwt")


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens count."""

    issuer: str
    audience: str
    jwks_url: str
    algorithms: Sequence[str] = ("RS256", "ES256")
    user_claim: str = "sub"


class TokenJudge:
    """``await judge(token)`` is its user, or None. Never raises for what a token holds."""

    def __init__(self, issuer: Issuer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._algorithms = [name for name in issuer.algorithms if name not in WEAK]
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched = -FRESH_S
        self._tried = -AGAIN_S
        self._turn = asyncio.Lock()

    async def __call__(self, token: str) -> str | None:
        """The user that the token proves; None where it proves nothing."""
        import jwt

        if len(token) > MAX_TOKEN:
            return None
        try:
            head = jwt.get_unverified_header(token)
            key = await self._key(head.get("kid", ""))
            if key is None or head.get("alg") not in self._algorithms:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                issuer=self._issuer.issuer,
                audience=self._issuer.audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", self._issuer.user_claim]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            log.warning("token_refused", why=type(error).__name__)
            return None
        user = claims.get(self._issuer.user_claim)
        return user if isinstance(user, str) and 0 < len(user) <= MAX_USER and user.isprintable() else None

    async def _key(self, name: Any) -> Any:
        async with self._turn:
            now = self._clock()
            stale = now - self._fetched >= FRESH_S or name not in self._keys
            if stale and now - self._tried >= AGAIN_S:
                self._tried = now
                await self._fetch()
            return self._keys.get(name) if isinstance(name, str) else None

    async def _fetch(self) -> None:
        import jwt

        try:
            timeout = aiohttp.ClientTimeout(total=FETCH_S)
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
                http.get(self._issuer.jwks_url, allow_redirects=False) as response,
            ):
                body = await response.content.read(MAX_KEYS_BODY + 1)
                if response.status != 200 or len(body) > MAX_KEYS_BODY:
                    raise ValueError("no set of keys")
            keys = {}
            for each in json.loads(body)["keys"]:
                if each.get("kty") in {"RSA", "EC", "OKP"} and each.get("use", "sig") == "sig":
                    keys[str(each.get("kid", ""))] = jwt.PyJWK(each).key
        except (
            aiohttp.ClientError,
            TimeoutError,
            jwt.PyJWTError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
        ) as error:
            log.warning("issuer_keys_unavailable", why=type(error).__name__)
            return
        self._keys, self._fetched = keys, self._clock()
