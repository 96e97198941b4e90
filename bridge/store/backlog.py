"""What is still to be written: the newest account of each call, within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from bridge.call.record import CallRecord
from bridge.store.document import Snapshot, restore, without_transcript

MAX_RECORDS: Final = 1000
MAX_BYTES: Final = 10_000_000


class Backlog:
    """First come, first out; a call that changes again keeps its place. Where there is too much, the oldest transcripts go
    before any record does.
    """

    def __init__(self, *, max_records: int = MAX_RECORDS, max_bytes: int = MAX_BYTES) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._live: dict[str, CallRecord] = {}  # changed since they were last put into words
        self._held: dict[str, Snapshot] = {}
        self._bytes = 0
        self.lost_records = 0
        self.lost_transcripts = 0

    def __len__(self) -> int:
        return len(self._held) + sum(call_id not in self._held for call_id in self._live)

    def put(self, record: CallRecord) -> None:
        """Note that a record has changed: it is read later, as it is then."""
        self._live[record.call_id] = record
        if len(self._live) > self._max_records:
            del self._live[next(iter(self._live))]
            self.lost_records += 1

    def next_live(self) -> CallRecord | None:
        """A record that is still to be put into words."""
        call_id = next(iter(self._live), None)
        return None if call_id is None else self._live.pop(call_id)

    def hold(self, snapshot: Snapshot) -> None:
        """Keep a snapshot until it is written."""
        before = self._held.get(snapshot.call_id)
        self._bytes += snapshot.weight - (0 if before is None else before.weight)
        self._held[snapshot.call_id] = snapshot
        while self._bytes > self._max_bytes and self._strip_oldest():
            self.lost_transcripts += 1
        while self._bytes > self._max_bytes or len(self._held) > self._max_records:
            self._drop(next(iter(self._held)))
            self.lost_records += 1

    def first(self, count: int) -> list[Snapshot]:
        """The oldest, at most ``count``."""
        return list(islice(self._held.values(), count))

    def settle(self, snapshot: Snapshot) -> None:
        """It is written, or never can be. What has come since of the same call stays."""
        if self._held.get(snapshot.call_id) is snapshot:
            self._drop(snapshot.call_id)

    def find(self, any_id: str) -> CallRecord | None:
        """A record that waits here, by either id."""
        for record in self._live.values():
            if any_id in (record.call_id, record.carrier_call_id):
                return record
        for snapshot in self._held.values():
            if any_id in (snapshot.call_id, snapshot.carrier_call_id):
                return restore(snapshot.document)
        return None

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(list(self._held.values()))

    def _strip_oldest(self) -> bool:
        for call_id, snapshot in self._held.items():
            if snapshot.has_transcript:
                bare = without_transcript(snapshot)
                self._bytes += bare.weight - snapshot.weight
                self._held[call_id] = bare
                return True
        return False

    def _drop(self, call_id: str) -> None:
        self._bytes -= self._held.pop(call_id).weight
