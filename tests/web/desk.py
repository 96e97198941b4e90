"""A reception whose store, agents and phones are stand-ins; everything between is the bridge's own."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bridge.audio.formats import TELEPHONE
from bridge.call import events as e
from bridge.call.plan import AgentRules, Line
from bridge.call.ports import Brief, Session
from bridge.call.record import CallRecord, Direction
from bridge.carriers.twilio.webhooks import AfterRequest, VoiceRequest
from bridge.errors import StoreUnavailable
from bridge.runtime.factory import SessionFactory
from bridge.runtime.session import CallSession, Surroundings
from bridge.runtime.switchboard import Limits, Switchboard
from bridge.store.grants import NewGrant
from bridge.web.answers import Answers
from bridge.web.desk import Desk
from bridge.web.grants import GrantOffice
from bridge.web.reception import Reception
from tests.call.stage import Straight

ACCOUNT = "AC" + "0" * 32
CALL = "CA" + "1" * 32
PERSON, OURS, HELPER = "+15550123456", "+15550100", "+15550177"
LINE = Line(OURS, ("support", "backup"), fallback_say="Please hold the line.", fallback_dial=HELPER)


@dataclass(frozen=True)
class Person:
    """A place of ``[transfers]``."""

    number: str = HELPER
    mode: str = "cold"
    timeout_s: int = 20


@dataclass
class Offer:
    """Who has the call."""

    won: bool
    record: CallRecord
    twiml: str | None


@dataclass
class Store:
    """Calls and grants in memory. ``away``: it answers nobody."""

    away: bool = False
    records: dict[str, CallRecord] = field(default_factory=dict)
    offers: dict[str, tuple[CallRecord, str | None]] = field(default_factory=dict)
    afters: dict[tuple[str, int], str] = field(default_factory=dict)
    grants: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    looked: Callable[[], None] = lambda: None
    changed: Callable[[], None] = lambda: None

    def _there(self) -> None:
        if self.away:
            raise StoreUnavailable("away")

    def keep(self, record: CallRecord) -> None:
        """Known by both ids."""
        self.records[record.call_id] = record
        if record.carrier_call_id:
            self.records[record.carrier_call_id] = record

    async def offer(self, record: CallRecord, twiml: str | None = None, grant: NewGrant | None = None) -> Offer:
        """The first one wins, and its grant is kept."""
        self._there()
        known = self.offers.get(record.carrier_call_id or "")
        if known is not None:
            return Offer(False, *known)
        self.offers[record.carrier_call_id or ""] = (record, twiml)
        self.keep(record)
        if grant is not None:
            self.grants[grant.token_hash] = (record.carrier_call_id or "", grant.account_id, record.call_id)
        return Offer(True, record, twiml)

    async def get(self, any_id: str) -> CallRecord | None:
        """By either id."""
        self._there()
        self.looked()
        return self.records.get(any_id)

    async def after(self, call_id: str, *, counter: int, twiml: str) -> str:
        """The first answer stands."""
        self._there()
        return self.afters.setdefault((call_id, counter), twiml)

    async def change(self, any_id: str, change: Callable[[CallRecord], object]) -> CallRecord | None:
        """In one step."""
        self._there()
        record = self.records.get(any_id)
        if record is not None:
            change(record)
            self.changed()
        return record

    async def mint(
        self, token_hash: str, *, carrier_call_id: str, account_id: str, call_id: str, expires_at: datetime
    ) -> None:
        """Keep a grant."""
        self._there()
        self.grants[token_hash] = (carrier_call_id, account_id, call_id)

    async def consume(self, token_hash: str, *, carrier_call_id: str, account_id: str, now: datetime) -> str | None:
        """Once."""
        self._there()
        found = self.grants.pop(token_hash, None)
        return found[2] if found is not None and found[:2] == (carrier_call_id, account_id) else None


class Slow:
    """An agent that thinks until the call is over."""

    provider = "none"
    reports_interruptions = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.briefs: list[Brief] = []
        self.asked = asyncio.Event()

    async def open(self, brief: Brief) -> Session:
        """Never."""
        self.briefs.append(brief)
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def release(self, session: Session, *, stopped: bool) -> None:
        """There is nothing to give back."""

    async def check(self) -> str:
        """Well."""
        return "well"

    async def close(self) -> None:
        """Nothing to close."""


class Phone:
    """A carrier's media socket, and the stream that translates it: orders are kept as they are."""

    def __init__(self) -> None:
        self.receiver: Any = None
        self.sent: list[Any] = []
        self.codes: list[int] = []

    def send(self, order: Any) -> Any:
        """Of the socket and of the stream: an order becomes itself."""
        if isinstance(order, e.Order):
            return _Message(order)
        self.sent.append(order.order)
        return None

    def receive(self, message: bytes) -> list[e.Event]:
        """Not used."""
        return []

    def close(self, code: int, detail: str = "") -> None:
        """The bridge hangs up on it."""
        self.codes.append(code)

    def ping(self) -> None:
        """Not answered."""

    def abort(self) -> None:
        """Gone."""


@dataclass
class _Message:
    order: e.Order


class Office:
    """One instance: its reception and all that it works with."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        instance: str = "one",
        limits: Limits | None = None,
        lines: Mapping[str, Line] | None = None,
        **more: Any,
    ) -> None:
        self.store = store or Store()
        self.board = Switchboard(limits or Limits())
        self.agents = {name: Slow(name) for name in ("support", "backup", "sales")}
        self.saved: list[CallRecord] = []
        self.taken: list[tuple[str, str]] = []
        self.closings: list[e.ClosePhone] = []
        around = Surroundings(
            agents=self.agents, saved=self._save, closing=self._closing, run_tool=lambda session, order: None
        )
        factory = SessionFactory(
            surroundings=around,
            rules={name: AgentRules() for name in self.agents},
            convert=Straight,
            level=lambda sound: 0.0,
            prompts={"closing": bytes(8000)},
        )
        self.reception = Reception(
            Desk(
                account_sid=ACCOUNT,
                instance=instance,
                lines={OURS: LINE} if lines is None else lines,
                answers=Answers("https://bridge.example.com"),
                switchboard=self.board,
                factory=factory,
                calls=self.store,
                grants=GrantOffice(self.store),
                saved=self._save,
                transfers={"desk": Person(), "boss": Person("+15550188", "warm", 45)},
                takeover=self._takeover,
                **more,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Office":
        """It runs."""
        started = asyncio.Event()
        self._task = asyncio.create_task(self.board.run(started))
        await started.wait()
        return self

    async def __aexit__(self, *error: object) -> None:
        """All its calls end."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    def _save(self, record: CallRecord) -> None:
        self.saved.append(record)
        if record.status.terminal:
            self.reception.ended(record)

    def _closing(self, session: CallSession, order: e.ClosePhone) -> None:
        self.closings.append(order)
        if order.then == "transfer":
            self.reception.transfers.begun(session.record)

    async def _takeover(self, call_id: str, instance: str) -> None:
        self.taken.append((call_id, instance))

    @property
    def session(self) -> CallSession:
        """The only call."""
        (found,) = self.board.sessions
        return found

    async def connected(self) -> tuple[CallSession, Phone]:
        """A call whose stream is there."""
        text = await self.reception.voice(voice())
        session = await self.reception.redeem(opened(grant(text)))
        assert session is not None
        await session.started.wait()
        phone = Phone()
        session.attach_phone(phone, phone, opened(""))  # type: ignore[arg-type]
        return session, phone


def voice(call: str = CALL, **more: Any) -> VoiceRequest:
    """A call comes in."""
    given: dict[str, Any] = {"caller": PERSON, "called": OURS, "call_status": "ringing", "direction": Direction.INBOUND}
    return VoiceRequest(call_sid=call, **{**given, **more})


def after(call: str = CALL, **more: Any) -> AfterRequest:
    """The stream is over."""
    given: dict[str, Any] = {"caller": PERSON, "called": OURS, "direction": Direction.INBOUND}
    return AfterRequest(call_sid=call, **{**given, "call_status": "in-progress", **more})


def grant(text: str) -> str:
    """The one in an answer."""
    found = re.search(r'name="grant" value="([^"]+)"', text)
    assert found is not None, text
    return found[1]


def opened(token: str, *, call: str = CALL, account: str = ACCOUNT) -> e.PhoneOpened:
    """A stream starts with this grant."""
    return e.PhoneOpened("MZ" + "2" * 32, call, account, TELEPHONE, {"grant": token})


def kept(**more: Any) -> CallRecord:
    """A call in the store."""
    given: dict[str, Any] = {
        "call_id": "call_kept",
        "direction": Direction.INBOUND,
        "from_number": PERSON,
        "to_number": OURS,
        "line": OURS,
        "agent": "support",
        "created_at": datetime.now(UTC),
        "carrier_call_id": CALL,
    }
    return CallRecord(**{**given, **more})
