"""Every promise of the store is kept on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.call.record import CallRecord, Direction
from bridge.store.calls import Calls
from bridge.store.database import Database
from tests.store.postgresql import Server, programs

Make = Callable[..., CallRecord]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL of our own."""
    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here (apt-get install postgresql)")
    server = Server(binaries)
    yield server
    server.remove()


@pytest.fixture
async def empty_postgresql(server: Server) -> AsyncIterator[str]:
    """The URL of an empty database on it."""
    name = f"t{uuid.uuid4().hex}"
    await server.execute(f"CREATE DATABASE {name}")
    yield server.url(name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/var/callbridge.db"
    return str(request.getfixturevalue("empty_postgresql"))


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A database that is up to date."""
    database = Database(url, timeout=10)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
def calls(database: Database) -> Calls:
    """The records in it."""
    return Calls(database)


@pytest.fixture
def make() -> Make:
    """Make a record: ``make("call_1", agent="support")``."""

    def make(call_id: str = "call_1", **values: Any) -> CallRecord:
        given: dict[str, Any] = {
            "direction": Direction.INBOUND,
            "from_number": "+15550123456",
            "to_number": "+15550100",
            "line": "+15550100",
            "agent": "support",
            "created_at": datetime(2026, 5, 1, 12, tzinfo=UTC),
            "instance": "i-1",
        }
        return CallRecord(call_id, **given | values)

    return make
