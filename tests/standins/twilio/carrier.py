"""The phone company: places calls to a bridge, with the webhooks and sockets that Twilio would use."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from ..ledger import Ledger, Pulse
from .call import PhoneCall
from .hooks import Exchange, Hooks
from .ids import sid
from .signature import Form, sign
from .twiml import MESSAGING, TwimlError, Verb, parse
from .verbs import DialResult

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Carrier(Ledger):
    """`async with Carrier(public_url=..., address="127.0.0.1:8080") as carrier: call = await carrier.call()`.

    `public_url` is what is signed; `address` is where its host, and those in `also`, are really reached. `signing`
    and `stream_signing` are "right", "wrong" or "missing".
    """

    def __init__(
        self,
        *,
        public_url: str,
        auth_token: str = "0123456789abcdef0123456789abcdef",
        account_sid: str = "AC" + "0123456789abcdef" * 2,
        address: str | None = None,
        also: dict[str, str] | None = None,
        fallback_url: str | None = None,
    ) -> None:
        super().__init__()
        self.public_url = public_url.rstrip("/")
        self.auth_token, self.account_sid = auth_token, account_sid
        self.voice_url = f"{self.public_url}/twilio/voice"
        self.status_url = f"{self.public_url}/twilio/status"
        self.sms_url = f"{self.public_url}/twilio/sms"
        self.fallback_url = fallback_url
        self.api_url = "https://api.twilio.com"
        self.signing = "right"
        self.stream_signing = "right"
        self.say_seconds = 0.0  # how long a <Say> takes
        self.stream_delay = 0.0  # s from a TwiML that connects a stream to its socket
        self.cushion = 0.0  # s of jitter buffer, for bridges that are sent sound no faster than it plays
        self.echo_marks = True
        self.action_after_hangup = True
        self.dial_results: dict[str, DialResult] = {}  # by number
        self.lost_callbacks: set[str] = set()  # kinds that never arrive: status, amd, recording, message
        self.callback_delay: dict[str, float] = {}  # s, by kind
        self.calls: list[PhoneCall] = []
        self.pulse = Pulse()
        self.hooks = Hooks(self)
        self._hosts = dict(also or {})
        if address is not None:
            self._hosts[urlsplit(self.public_url).netloc] = address
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for call in self.calls:
            if call.stream is not None and not call.stream.task.done():
                call.stream.lose()
                call.stream.task.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *(s.task for c in self.calls for s in c.streams), return_exceptions=True)
        await self.hooks.close()
        if error is None:
            self.check()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something of the carrier's own; what it raises is a violation."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.violation(f"the stand-in failed: {type(error).__name__}: {error}")

    # ---- addresses and signatures

    def reach(self, address: str) -> None:
        """From now on the public address is really here."""
        self._hosts[urlsplit(self.public_url).netloc] = address

    def http_address(self, url: str) -> tuple[str, str]:
        """Where a URL is really asked for (without its fragment), and the Host header that it needs."""
        parts = urlsplit(url)._replace(fragment="")
        real = self._hosts.get(parts.netloc)
        if real is None:
            return parts.geturl(), parts.netloc
        return parts._replace(scheme="http", netloc=real).geturl(), parts.netloc

    def dial_address(self, url: str) -> tuple[str, str | None, int | None]:
        """URI, host and port of a socket: the URI keeps the public host, the connection goes where it really is."""
        parts = urlsplit(url)
        real = self._hosts.get(parts.netloc)
        if real is None:
            return url, None, None
        host, _, port = real.rpartition(":")
        return parts._replace(scheme="ws").geturl(), host, int(port)

    def signature(self, url: str, form: Form) -> str | None:
        """What X-Twilio-Signature of a webhook is to be."""
        return self._sign(self.signing, url, form)

    def stream_headers(self, url: str) -> dict[str, str]:
        """The headers of a stream's upgrade."""
        value = self._sign(self.stream_signing, url, ())
        return {} if value is None else {"x-twilio-signature": value}

    def _sign(self, how: str, url: str, form: Form) -> str | None:
        if how == "missing":
            return None
        return sign(self.auth_token if how == "right" else "another token", url, form)

    # ---- what the test may do

    async def call(self, *, from_: str = "+15550123456", to: str = "+15550100", extra: Form = ()) -> PhoneCall:
        """Somebody calls a line of the bridge: returns once the first TwiML is there and is being followed."""
        call = PhoneCall(self, from_=from_, to=to, extra=extra)
        self.calls.append(call)
        await call.begin("voice", self.voice_url)
        return call

    async def ask_again(self, call: PhoneCall) -> Exchange:
        """The voice webhook of a call once more, as after a lost answer."""
        return await self.hooks.ask("voice", self.voice_url, call.form())

    async def post(self, kind: str, path: str, form: Form) -> Exchange:
        """Any webhook, signed as `signing` says, judged by nobody but the test."""
        return await self.hooks.ask(kind, self.public_url + path, form)

    async def call_back(self, kind: str, url: str, form: Form) -> None:
        """A callback: any 2xx will do; it may be lost or late, as ordered."""
        if kind in self.lost_callbacks:
            return
        await asyncio.sleep(self.callback_delay.get(kind, 0.0))
        exchange = await self.hooks.ask(kind, url, form)
        if exchange.status is None:
            return  # nobody there: what Twilio notes in its debugger
        if exchange.signing != "right":
            if exchange.status != 403:
                self.violation(f"{kind} callback without a right signature was answered {exchange.status}, not 403")
        elif not 200 <= exchange.status < 300:
            self.violation(f"{kind} callback was answered {exchange.status}: {exchange.body[:120]}")

    async def text(
        self, body: str, *, from_: str = "+15550123456", to: str = "+15550100", extra: Form = ()
    ) -> list[Verb]:
        """Somebody texts a line: the TwiML that came back."""
        message = sid("SM")
        form = [
            ("MessageSid", message),
            ("SmsSid", message),
            ("SmsMessageSid", message),
            ("AccountSid", self.account_sid),
        ]
        form += [("From", from_), ("To", to), ("Body", body), ("NumMedia", "0"), ("NumSegments", "1")]
        form += [("SmsStatus", "received"), ("ApiVersion", "2010-04-01"), *extra]
        exchange = await self.hooks.ask("sms", self.sms_url, form)
        if exchange.status != 200:
            self.violation(f"sms webhook was answered {exchange.status}: {exchange.body[:120]}")
            return []
        try:
            verbs, problems = parse(exchange.body, verbs=MESSAGING)
        except TwimlError as error:
            self.violation(f"TwiML of sms: {error} (12100)")
            return []
        for problem in problems:
            self.violation(f"TwiML of sms: {problem}")
        return verbs

    async def fetch_sound(self, url: str) -> None:
        """`<Play>` fetches its URL where it is one of ours."""
        if urlsplit(url).netloc not in (*self._hosts, urlsplit(self.public_url).netloc):
            return
        exchange = await self.hooks.ask("play", url, (), method="GET")
        if exchange.status != 200 or not exchange.content_type.startswith("audio/"):
            self.violation(f"<Play> got {exchange.status} {exchange.content_type!r}, not sound")

    async def settled(self, *, timeout: float = 10.0) -> None:
        """Wait until every call has ended and its last callbacks are through."""
        await self.pulse.until(
            lambda: all(c.over for c in self.calls) and not self._tasks, "all calls to end", timeout=timeout
        )
