"""Records for pages: the store's, with the fresher ones of this process in their place."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.datastructures import QueryParams

from bridge.call.record import CallRecord, Direction, Status, iso
from bridge.store.calls import Calls

PAGE: Final = 50
BATCH: Final = (
    25  # records that are read at once: in the event loop that takes some 5 ms, and the sound waits meanwhile
)
MAX_SEARCHED: Final = 2000  # records that a search looks into
MAX_EXPORTED: Final = 5000
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula (OWASP, "CSV Injection")
COLUMNS: Final = (
    *("call_id", "carrier_call_id", "direction", "from", "to", "line", "agent", "status", "outcome", "created_at"),
    *("started_at", "ended_at", "duration_s", "turns", "first_word_ms"),
)


class Filter:
    """Which calls a visitor wants to see; what makes no sense is left out and told in ``problems``."""

    def __init__(self, params: QueryParams) -> None:
        self.problems: list[str] = []
        self.text = {name: params.get(name, "").strip()[:100] for name in self.names}
        self.cursor = params.get("cursor", "")[:200] or None

    names: Final = ("q", "status", "direction", "agent", "line", "number", "since", "until")

    def store_arguments(self) -> dict[str, Any]:
        """As ``Calls.list`` has them."""
        self.problems.clear()  # each is told once, however often this is asked
        text = self.text
        until = self._day("until")
        return {
            "status": self._choice("status", Status),
            "direction": self._choice("direction", Direction),
            "agent": text["agent"] or None,
            "line": text["line"] or None,
            "number": text["number"] or None,
            "since": self._day("since"),
            "until": until + timedelta(days=1) if until else None,
        }

    def matches(self, record: CallRecord) -> bool:
        """The words that are searched for stand in the record: in what was said, or in how it ended."""
        words = self.text["q"].casefold().split()
        if not words:
            return True
        told = [record.call_id, record.carrier_call_id or "", str(record.outcome or ""), record.agent]
        text = " ".join([*told, *(turn.text for turn in record.turns)]).casefold()
        return all(word in text for word in words)

    @property
    def search(self) -> bool:
        """Records must be looked into, which the store does not."""
        return bool(self.text["q"])

    def _choice(self, name: str, kind: Any) -> Any:
        try:
            return kind._value2member_map_[self.text[name]] if self.text[name] else None
        except KeyError:
            self.problems.append(f"There is no {name} “{self.text[name]}”.")
            return None

    def _day(self, name: str) -> datetime | None:
        try:
            return datetime.strptime(self.text[name], "%Y-%m-%d").replace(tzinfo=UTC) if self.text[name] else None
        except ValueError:
            self.problems.append(f"“{self.text[name]}” is no day such as 2026-01-31.")
            return None


class Records:
    """``live``: records of this process, fresher than the store's."""

    def __init__(self, calls: Calls, live: Callable[[], Collection[CallRecord]], *, instance: str) -> None:
        self._calls = calls
        self._instance = instance
        self._live = live

    async def in_progress(self) -> list[CallRecord]:
        """Of every instance, newest first. Raises StoreUnavailable."""
        mine = {record.call_id: record for record in self._live()}
        ids = [call_id for call_id in await self._calls.elsewhere(self._instance) if call_id not in mine]
        others = [record for part in batched(ids, BATCH) for record in await self._calls.several(part)]
        return sorted([*mine.values(), *others], key=lambda record: record.created_at, reverse=True)

    async def page(self, wanted: Filter) -> tuple[list[CallRecord], str | None]:
        """One page and where the next begins. Raises StoreUnavailable, and ValueError for a cursor that is none."""
        arguments = wanted.store_arguments()
        if not wanted.search:
            page = await self._calls.list(limit=PAGE, cursor=wanted.cursor, **arguments)
            return self._fresh(page.calls), page.next_cursor
        found: list[CallRecord] = []
        cursor = wanted.cursor
        for _ in range(MAX_SEARCHED // BATCH):
            page = await self._calls.list(limit=BATCH, cursor=cursor, **arguments)
            found += [record for record in self._fresh(page.calls) if wanted.matches(record)]
            cursor = page.next_cursor
            if cursor is None or len(found) >= PAGE:
                break
        return found, cursor

    async def all(self, wanted: dict[str, Any], *, limit: int) -> AsyncIterator[CallRecord]:
        """Newest first, at most ``limit``. Raises StoreUnavailable."""
        cursor, left = None, limit
        while left > 0:
            page = await self._calls.list(limit=min(BATCH, left), cursor=cursor, **wanted)
            for record in self._fresh(page.calls):
                yield record
            left -= len(page.calls)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _fresh(self, records: list[CallRecord]) -> list[CallRecord]:
        mine = {record.call_id: record for record in self._live()}
        return [mine.get(record.call_id, record) for record in records]


def batched(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """In pieces of ``size``; the last may be shorter."""
    return (ids[at : at + size] for at in range(0, len(ids), size))


def csv_lines(records: list[CallRecord]) -> str:
    """As CSV (RFC 4180) that no spreadsheet executes."""
    text = io.StringIO()
    writer = csv.writer(text)
    for record in records:
        body = record.public() | {
            "outcome": str(record.outcome or ""),
            "turns": len(record.turns),
            "first_word_ms": record.latency.first_word_ms,
            "created_at": iso(record.created_at),
        }
        writer.writerow([harmless(body[name]) for name in COLUMNS])
    return text.getvalue()


def harmless(value: object) -> str:
    """A cell that is text to a spreadsheet, whatever a caller has put into it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
