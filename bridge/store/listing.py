"""Lists of calls, newest first, page by page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import msgspec
from sqlalchemy import ColumnElement, or_, select, tuple_

from bridge.call.record import CallRecord, Direction, Status
from bridge.store.document import restore
from bridge.store.tables import CALLS, micros
from bridge.store.transaction import Transaction

MAX_PAGE: Final = 200  # records


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls, and where to go on: ``next_cursor`` is None at the end."""

    calls: list[CallRecord]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls: None takes any. ``number`` is either side's; ``since`` is included, ``until`` is not."""

    status: Status | None = None
    direction: Direction | None = None
    agent: str | None = None
    line: str | None = None
    number: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def tests(self) -> list[ColumnElement[bool]]:
        """As SQL."""
        tests: list[ColumnElement[bool]] = [
            column == str(value)
            for column, value in (
                (CALLS.c.status, self.status),
                (CALLS.c.direction, self.direction),
                (CALLS.c.agent, self.agent),
                (CALLS.c.line, self.line),
            )
            if value is not None
        ]
        if self.number is not None:
            tests.append(or_(CALLS.c.from_number == self.number, CALLS.c.to_number == self.number))
        if self.since is not None:
            tests.append(CALLS.c.created_us >= micros(self.since))
        if self.until is not None:
            tests.append(CALLS.c.created_us < micros(self.until))
        return tests


async def list_calls(connection: Transaction, wanted: Wanted, *, limit: int, cursor: str | None) -> Page:
    """One page. A call that comes meanwhile moves none of the pages that follow. Raises ValueError where ``cursor`` is none."""
    limit = max(1, min(limit, MAX_PAGE))
    tests = wanted.tests()
    if cursor is not None:
        tests.append(tuple_(CALLS.c.created_us, CALLS.c.call_id) < tuple_(*_read(cursor)))
    query = select(CALLS.c.document, CALLS.c.created_us, CALLS.c.call_id).where(*tests)
    newest = query.order_by(CALLS.c.created_us.desc(), CALLS.c.call_id.desc()).limit(limit + 1)
    rows = (await connection.execute(newest)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    next_cursor = _write(rows[-1].created_us, rows[-1].call_id) if more else None
    return Page([restore(row.document) for row in rows], next_cursor)


def _write(created_us: int, call_id: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([created_us, call_id])).decode().rstrip("=")


def _read(cursor: str) -> tuple[int, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(text, type=tuple[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)], str])
    except ValueError:
        raise ValueError("the cursor is none of ours") from None
