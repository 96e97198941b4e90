"""How Twilio asks a webhook: signed, with limits and retries that the URL's fragment may change."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp

from .ids import sid
from .signature import Form

if TYPE_CHECKING:
    from .carrier import Carrier

LIMITS = {"ct": (100, 10000), "rt": (100, 15000), "tt": (100, 15000), "rc": (0, 5)}  # ms, and a count
POLICIES = {"4xx", "5xx", "ct", "rt", "all"}


@dataclass
class Overrides:
    """Connection overrides; times in seconds."""

    connect: float = 5.0
    read: float = 15.0
    total: float = 15.0
    retries: int = 1
    policy: set[str] = field(default_factory=lambda: {"ct"})
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, url: str) -> "Overrides":
        """Those in the fragment of a URL."""
        it = cls()
        names = {"ct": "connect", "rt": "read", "tt": "total"}
        for key, value in parse_qsl(urlsplit(url).fragment, keep_blank_values=True):
            if key == "rp":
                it.policy = set(value.split(","))
                if not it.policy <= POLICIES:
                    it.problems.append(f"override rp={value}")
            elif key in LIMITS:
                low, high = LIMITS[key]
                if not value.isdigit() or not low <= int(value) <= high:
                    it.problems.append(f"override {key}={value} is not within {low}..{high}")
                elif key == "rc":
                    it.retries = int(value)
                else:
                    setattr(it, names[key], int(value) / 1000)
            elif key not in ("e", "sni"):
                it.problems.append(f"unknown override {key!r}")
        return it

    def again(self, failure: str) -> bool:
        """Whether this failure is retried."""
        return "all" in self.policy or failure in self.policy


@dataclass
class Exchange:
    """One webhook and its answer. `failure`: "" or "4xx", "5xx", "ct", "rt"; times in monotonic seconds."""

    kind: str
    url: str
    form: Form
    signing: str = "right"
    token: str = field(default_factory=lambda: sid("IT"))
    at: float = 0.0
    took: float = 0.0
    attempts: int = 0
    failure: str = ""
    status: int | None = None
    content_type: str = ""
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """A field of the form."""
        return dict(self.form)[name]


class Hooks:
    """Asks. The log is in `exchanges`."""

    def __init__(self, carrier: "Carrier") -> None:
        self.carrier = carrier
        self.exchanges: list[Exchange] = []
        self.retry_gap = 0.5  # s
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Give the connections back."""
        if self._http is not None:
            await self._http.close()

    async def ask(self, kind: str, url: str, form: Form, *, method: str = "POST") -> Exchange:
        """Ask, retry as the overrides say, and log; judging the answer is the caller's."""
        overrides = Overrides.of(url)
        for problem in overrides.problems:
            self.carrier.violation(f"{kind}: {problem}")
        exchange = Exchange(kind, url, form, self.carrier.signing, at=time.monotonic())
        self.exchanges.append(exchange)
        deadline = exchange.at + overrides.total
        while True:
            exchange.attempts += 1
            await self._once(exchange, overrides, method, deadline)
            more = exchange.failure and overrides.again(exchange.failure) and exchange.attempts <= overrides.retries
            if not more or time.monotonic() + self.retry_gap >= deadline:
                break
            await asyncio.sleep(self.retry_gap)
        exchange.took = time.monotonic() - exchange.at
        self.carrier.pulse.beat()
        return exchange

    async def _once(self, exchange: Exchange, overrides: Overrides, method: str, deadline: float) -> None:
        if self._http is None:
            self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        url, host = self.carrier.http_address(exchange.url)
        headers = {"Host": host, "User-Agent": "TwilioProxy/1.1", "I-Twilio-Idempotency-Token": exchange.token}
        body: bytes | None = None
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
            body = urlencode(list(exchange.form)).encode()
        elif exchange.form:
            url += ("&" if "?" in url else "?") + urlencode(list(exchange.form))
        signature = self.carrier.signature(exchange.url, exchange.form if method == "POST" else ())
        if signature is not None:
            headers["X-Twilio-Signature"] = signature
        left = max(0.05, deadline - time.monotonic())
        limits = aiohttp.ClientTimeout(
            total=left, sock_connect=min(overrides.connect, left), sock_read=min(overrides.read, left)
        )
        exchange.failure, exchange.status = "", None
        try:
            async with self._http.request(
                method, url, data=body, headers=headers, timeout=limits, allow_redirects=False
            ) as answer:
                exchange.status = answer.status
                exchange.headers = dict(answer.headers)
                exchange.content_type = answer.headers.get("Content-Type", "")
                exchange.body = await answer.text()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            exchange.failure, exchange.body = "ct", repr(error)
        except (aiohttp.ClientError, TimeoutError) as error:
            exchange.failure, exchange.body = "rt", repr(error)
        else:
            if answer.status >= 400:
                exchange.failure = f"{answer.status // 100}xx"
