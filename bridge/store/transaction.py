"""What a transaction can do, on either database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection, CursorResult, Executable

T = TypeVar("T")
Rows: TypeAlias = CursorResult[*tuple[Any, ...]]


class Transaction(Protocol):
    """Ends with the ``async with`` that gave it: committed, or undone by an exception."""

    async def execute(self, statement: Executable, parameters: Any = None, /) -> Rows:
        """One statement; its rows are all here."""
        ...

    async def run_sync(self, work: Callable[[Connection], T], /) -> T:
        """Several statements in one piece. ``work`` must use nothing but the connection: it may run in another thread."""
        ...
