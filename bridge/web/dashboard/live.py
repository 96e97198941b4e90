"""Live updates: whoever looks on is told what changed, a few times a second, and costs the sound nothing.

A record that changes is only marked; it is put into words when the next round comes, once for all viewers, and not at
all where nobody looks. A viewer that does not read is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import structlog
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from bridge.call.record import CallRecord, iso
from bridge.errors import StoreUnavailable
from bridge.web.dashboard.records import BATCH, batched

ROUND_S: Final = 0.2
LEVELS_S: Final = 0.25  # between two looks at how loud calls are
FULL_SCALE: Final = 32768.0
DECIBELS: Final = 60.0  # below full scale a meter shows nothing
POLL_S: Final = 2.0  # the calls of other instances
SEND_S: Final = 20.0  # a page may leave what we send untaken for so long
MAX_QUEUED: Final = 100  # messages of one viewer: 20 s of rounds
MAX_VIEWERS: Final = 200
MAX_MARKED: Final = 5000  # records between two rounds
LAST_TURNS: Final = 30  # of a call that grows: a page has the earlier ones already
PAUSING: Final = frozenset({"recording_paused", "recording_resumed"})
HOLDING: Final = frozenset({"held", "stream_started", "stream_replaced"})  # the events that tell

log = structlog.get_logger("bridge.live")


class LiveStore(Protocol):
    """Where the calls of other instances are seen (``store.calls.Calls``)."""

    async def elsewhere(self, instance: str) -> dict[str, tuple[int, int]]:
        """Calls in progress that this instance has not, and how far each has come."""
        ...

    async def several(self, call_ids: Sequence[str]) -> list[CallRecord]:
        """Those that there are."""
        ...


Levels = Callable[[], Iterable[tuple[CallRecord, tuple[float, float]]]]  # mean amplitudes of caller and agent
Progress = Callable[[Mapping[str, Mapping[str, Any]]], Awaitable[list[dict[str, Any]]]]  # given what was told, by id


class Viewer:
    """One page that looks on. ``call``: at this call only, by our id or the softphone's; "": at all.

    ``levels``: it shows how loud calls are; ``campaigns``: it shows those, and no calls.
    """

    def __init__(self, call: str = "", *, levels: bool = False, campaigns: bool = False) -> None:
        self.call = call
        self.levels = levels
        self.campaigns = campaigns
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(MAX_QUEUED)
        self.dropped = False

    @property
    def wants_all(self) -> bool:
        """It shows a list of calls."""
        return not self.call and not self.campaigns

    def wants(self, record: CallRecord) -> bool:
        """This call concerns it."""
        return self.wants_all or self.call in (record.call_id, record.detail.get("softphone"))

    def tell(self, message: bytes) -> None:
        """Queue a message; a full queue means that nobody reads."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.dropped = True


class LiveBus:
    """One for each process. ``marked`` may be called for every save; ``run`` does the work.

    ``live``: calls in progress here; ``levels``: how loud they are; ``progress``: how far campaigns have come.
    """

    def __init__(
        self,
        instance: str,
        live: Callable[[], Collection[CallRecord]] = lambda: (),
        *,
        levels: Levels = lambda: (),
        progress: Progress | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        self.dropped = 0  # viewers that did not read
        self._instance = instance
        self._live = live
        self._levels = levels
        self._progress = progress
        self._poll_s = poll_s
        self._viewers: set[Viewer] = set()
        self._marked: dict[str, CallRecord] = {}
        self._foreign: dict[str, tuple[int, int]] = {}
        self._campaigns: dict[str, dict[str, Any]] = {}  # as they were told
        self._silent = True  # so the meters were left
        self._work = asyncio.Event()

    @property
    def viewers(self) -> int:
        """How many look on."""
        return len(self._viewers)

    def marked(self, record: CallRecord) -> None:
        """The record has changed."""
        if self._viewers and len(self._marked) < MAX_MARKED:
            self._marked[record.call_id] = record
            self._work.set()

    @contextlib.asynccontextmanager
    async def watch(
        self, call: str = "", *, levels: bool = False, campaigns: bool = False
    ) -> AsyncIterator[Viewer | None]:
        """Look on; None where too many do already."""
        if len(self._viewers) >= MAX_VIEWERS:
            yield None
            return
        viewer = Viewer(call, levels=levels, campaigns=campaigns)
        self._viewers.add(viewer)
        if campaigns:
            self._campaigns.clear()
        else:
            self._foreign.clear()
        for record in self._live():  # what changed between the page and its stream of updates is not lost
            self.marked(record)
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)

    async def run(self, store: LiveStore) -> None:
        """Tell the viewers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll(store), name="live poll")
            group.create_task(self._meter(), name="live levels")
            while True:
                await self._work.wait()
                self._work.clear()
                self.round()
                await asyncio.sleep(ROUND_S)

    def round(self) -> None:
        """Tell every viewer what changed since the last round."""
        marked, self._marked = list(self._marked.values()), {}
        everything = b""
        if any(viewer.wants_all for viewer in self._viewers):
            everything = b"".join(_event("call", brief(record)) for record in marked)
        for viewer in self._viewers:
            # One message, however many calls: a queue's places are for rounds, not for calls.
            mine = (record for record in marked if viewer.call and viewer.wants(record))
            message = everything if viewer.wants_all else b"".join(_event("record", growing(record)) for record in mine)
            if message:
                viewer.tell(message)
        for viewer in [each for each in self._viewers if each.dropped]:
            self._viewers.discard(viewer)
            self.dropped += 1
            log.warning("viewer_dropped")

    def meter(self) -> None:
        """Tell whoever shows it how loud calls are. One who is behind is not told: it would be old when it comes."""
        viewers = [viewer for viewer in self._viewers if viewer.levels and viewer.queue.empty()]
        if not viewers:
            return
        heard = [(record, [percent(each) for each in levels]) for record, levels in self._levels()]
        loud = {record.call_id: shown for record, shown in heard if any(shown)}
        if loud or not self._silent:
            everything = _event("levels", loud)
            for viewer in viewers:
                if viewer.call:
                    mine = {record.call_id: shown for record, shown in heard if viewer.wants(record)}
                    if mine:
                        viewer.tell(_event("levels", mine))
                else:
                    viewer.tell(everything)
        self._silent = not loud

    async def _meter(self) -> None:
        while True:
            await asyncio.sleep(LEVELS_S)
            self.meter()

    async def _poll(self, store: LiveStore) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                if any(not viewer.campaigns for viewer in self._viewers):
                    await self._compare(store)
                if any(viewer.campaigns for viewer in self._viewers) and self._progress is not None:
                    self._tell_campaigns(await self._progress(self._campaigns))
            except StoreUnavailable as error:
                log.warning("live_store_away", error=type(error).__name__)

    async def _compare(self, store: LiveStore) -> None:
        """The calls of other instances, as the store has them, with what was told of them."""
        standing = await store.elsewhere(self._instance)
        changed = [call_id for call_id, state in standing.items() if self._foreign.get(call_id) != state]
        gone = [call_id for call_id in self._foreign if call_id not in standing]
        self._foreign = standing
        deleted = set(gone)
        for part in batched([*changed, *gone], BATCH):
            for record in await store.several(part):
                deleted.discard(record.call_id)
                self.marked(record)
        for call_id in deleted:
            for viewer in self._viewers:
                if not viewer.campaigns:
                    viewer.tell(_event("gone", {"call_id": call_id}))

    def _tell_campaigns(self, campaigns: list[dict[str, Any]]) -> None:
        for each in reversed(campaigns):  # the newest last: it comes to stand on top
            if self._campaigns.get(each["campaign_id"]) != each:
                message = _event("campaign", each)
                for viewer in self._viewers:
                    if viewer.campaigns:
                        viewer.tell(message)
        self._campaigns = {each["campaign_id"]: each for each in campaigns}


def brief(record: CallRecord) -> dict[str, Any]:
    """A call in a list."""
    last = next((turn for turn in reversed(record.turns) if turn.text), None)
    return {
        "call_id": record.call_id,
        "person": record.person,
        "carrier": record.carrier,
        "direction": str(record.direction),
        "line": record.line,
        "agent": record.agent,
        "status": str(record.status),
        "live": not record.status.terminal,
        "held": held(record),
        "created_at": iso(record.created_at),
        "started_at": iso(record.started_at),
        "turns": len(record.turns),
        "last": None if last is None else {"role": last.role, "text": last.text[-300:]},
    }


def held(record: CallRecord) -> bool:
    """An operator has let the caller wait, and no stream has come since."""
    kinds = (event["type"] for event in reversed(record.events))
    return next((kind for kind in kinds if kind in HOLDING), "") == "held"


def recorded(record: CallRecord) -> str:
    """Whether the call is being recorded: "on", "paused", or "" where it is not."""
    if record.status.terminal or (record.recording or {}).get("status") == "failed" or record.recording is None:
        return ""
    kinds = (event["type"] for event in reversed(record.events))
    return "paused" if next((kind for kind in kinds if kind in PAUSING), "") == "recording_paused" else "on"


def percent(level: float) -> int:
    """A mean amplitude of 16-bit samples as a meter shows it: 0 (DECIBELS below full scale) to 100."""
    return 0 if level < 1 else max(round(100 + 2000 / DECIBELS * math.log10(level / FULL_SCALE)), 0)


def growing(record: CallRecord) -> dict[str, Any]:
    """A call as it grows: its last turns, and at which number they begin."""
    body = record.public()
    first = max(len(record.turns) - LAST_TURNS, 0)
    body["turns"] = body["turns"][first:]
    body["first_turn"] = first
    body["events"] = body["events"][-LAST_TURNS:]
    body["live"] = not record.status.terminal
    body["held"] = held(record)
    body["recorded"] = recorded(record)
    return body


def _event(kind: str, body: dict[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"


class EventStream(StreamingResponse):
    """Server-sent events to one page; a connection that takes nothing for SEND_S is let go."""

    async def stream_response(self, send: Send) -> None:
        """As Starlette's own, with a limit to every wait."""

        async def bounded(message: Message) -> None:
            async with asyncio.timeout(SEND_S):
                await send(message)

        try:
            await super().stream_response(bounded)
        except TimeoutError:
            log.warning("viewer_cut")  # the server closes a connection whose response was not completed


async def stream(viewer: Viewer, still_allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The body of an event stream, until the viewer is dropped or logged out; with a sign of life in silence."""
    yield b"retry: 2000\n\n"
    while not viewer.dropped:
        try:
            async with asyncio.timeout(POLL_S):
                message = await viewer.queue.get()
        except TimeoutError:
            message = b": alive\n\n"
        if not still_allowed():
            return
        yield message
