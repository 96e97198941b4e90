"""Writes records behind the call's back: the sound never waits for the store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import structlog

from bridge.call.record import CallRecord
from bridge.errors import StoreUnavailable
from bridge.store import spool
from bridge.store.backlog import MAX_BYTES, MAX_RECORDS, Backlog
from bridge.store.calls import Calls
from bridge.store.document import Snapshot, snapshot

INTERVAL: Final = 0.05  # s in which changes gather
BATCH: Final = 50  # records of one transaction
SHARE: Final = 9  # times as long as writing took, nothing is written: a long transcript is written whole each time
MAX_PAUSE: Final = 1.0  # s
AWAY_PAUSE: Final = 0.5  # s between attempts while the store is away

log = structlog.get_logger(__name__)


class Writer:
    """``put`` from anywhere in the loop, at once and without fail; ``run`` belongs to a TaskGroup; ``close`` ends it.

    Of each call only the newest account waits, at most 1000 records or 10 MB; beyond that the oldest transcripts are dropped,
    then the oldest records, counted in ``lost_transcripts`` and ``lost_records``.
    """

    def __init__(
        self,
        calls: Calls,
        *,
        interval: float = INTERVAL,
        max_records: int = MAX_RECORDS,
        max_bytes: int = MAX_BYTES,
        spool_path: Path | None = None,
    ) -> None:
        self._calls = calls
        self._interval = interval
        self._spool_path = spool_path
        self._backlog = Backlog(max_records=max_records, max_bytes=max_bytes)
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()  # no pauses: somebody waits for the end
        self._ended = asyncio.Event()  # another instance may be asked at once what follows a call that is over
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing = False
        self.away = False
        self.written = 0
        self.unwritable = 0  # records that no database would take: our own bug

    @property
    def waiting(self) -> int:
        """Records that are still to be written."""
        return len(self._backlog)

    @property
    def lost_records(self) -> int:
        """Dropped because too many waited."""
        return self._backlog.lost_records

    @property
    def lost_transcripts(self) -> int:
        """Dropped because too much waited; their records were kept."""
        return self._backlog.lost_transcripts

    def put(self, record: CallRecord) -> None:
        """Note that a record is new or has changed. It is read within moments, as it is then, and again after the next put."""
        self._backlog.put(record)
        if record.status.terminal:
            self._ended.set()
        self._empty.clear()
        self._changed.set()

    def find(self, any_id: str) -> CallRecord | None:
        """A record that waits here and that the store may not know yet, by either id."""
        return self._backlog.find(any_id)

    async def run(self) -> None:
        """Write, until ``close``. First what an earlier process could not write."""
        spooled = await self._read_spool()
        while True:
            await self._changed.wait()
            if self._closing and not self.waiting:
                return
            await self._pause(self._interval, self._hurry)
            self._changed.clear()
            self._ended.clear()
            await self._put_into_words()
            took = await self._write_all()
            if not self.waiting:
                self._empty.set()
                if spooled:
                    await asyncio.to_thread(_forget, self._spool_path)
                    spooled = False
            await self._pause(min(took * SHARE, MAX_PAUSE), self._ended)
            if self._closing:
                self._changed.set()

    async def flush(self, timeout: float) -> bool:
        """Write what there is now, without pauses; False where that took longer than ``timeout`` seconds."""
        self._hurry.set()
        self._ended.set()
        self._changed.set()
        try:
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        except TimeoutError:
            return False
        finally:
            if not self._closing:
                self._hurry.clear()
        return True

    async def close(self, timeout: float) -> int:
        """End ``run``: write what there is within ``timeout`` seconds, else leave it in the spool file for the next start. How
        many records were lost because there is no such file, or it could not be written.
        """
        self._closing = True
        if await self.flush(timeout):
            return 0
        await self._put_into_words()
        left = list(self._backlog)
        for each in left:
            self._backlog.settle(each)
        self._empty.set()
        self._changed.set()
        if self._spool_path is not None:
            try:
                await asyncio.to_thread(spool.write, self._spool_path, left)
            except OSError as error:
                log.error("records_lost", records=len(left), error=type(error).__name__)  # noqa: TRY400 - the path is no secret, but a traceback says no more
                return len(left)
            log.warning("records_spooled", records=len(left))
            return 0
        log.error("records_lost", records=len(left))
        return len(left)

    async def _pause(self, seconds: float, until: asyncio.Event) -> None:
        if seconds <= 0 or self._hurry.is_set() or until.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await until.wait()
        except TimeoutError:
            return

    async def _put_into_words(self) -> None:
        while (record := self._backlog.next_live()) is not None:
            try:
                self._backlog.hold(snapshot(record, written_by=record.instance))
            except Exception as error:  # noqa: BLE001 - as in _write
                self._give_up(error)
            await asyncio.sleep(0)  # sound first: one record at a time

    async def _write_all(self) -> float:
        """Seconds that the longest transaction took."""
        loop = asyncio.get_running_loop()
        longest = 0.0
        while batch := self._backlog.first(BATCH):
            began = loop.time()
            try:
                await self._write(batch)
            except StoreUnavailable as error:
                if not self.away:
                    log.warning("store_away", error=str(error), hint=error.hint, waiting=self.waiting)
                self.away = True
                self._changed.set()
                await asyncio.sleep(AWAY_PAUSE)
                return 0.0
            longest = max(longest, loop.time() - began)
            if self.away:
                log.info("store_back", waiting=self.waiting, lost=self.lost_records)
            self.away = False
        return longest

    async def _write(self, batch: list[Snapshot]) -> None:
        try:
            await self._calls.write(batch)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one record must end neither the writer nor the process
            if len(batch) == 1:
                self._give_up(error)
            else:  # one that no database takes must not hold up the others
                for each in batch:
                    await self._write([each])
                return
        else:
            self.written += len(batch)
        for each in batch:
            self._backlog.settle(each)

    def _give_up(self, error: Exception) -> None:
        self.unwritable += 1
        log.error("record_unwritable", error=type(error).__name__)

    async def _read_spool(self) -> bool:
        if self._spool_path is None:
            return False
        try:
            found, broken = await asyncio.to_thread(spool.read, self._spool_path)
        except OSError as error:
            log.error("spool_unreadable", error=type(error).__name__)  # noqa: TRY400 - as above
            return False
        for each in found:
            self._backlog.hold(each)
        if found or broken:
            log.info("spool_read", records=len(found), broken=broken)
            self._changed.set()
            self._empty.clear()
        return bool(found)


def _forget(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)
