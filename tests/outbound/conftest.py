"""A PostgreSQL of our own, where there is one to be had."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bridge.store.database import Database
from tests.store.postgresql import Server, programs


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server."""
    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here (apt-get install postgresql)")
    server = Server(binaries)
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/calls.db"
        return
    server = request.getfixturevalue("server")
    name = f"t{uuid.uuid4().hex}"
    await server.execute(f"CREATE DATABASE {name}")
    yield server.url(name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """It, with our tables."""
    database = Database(url)
    await database.migrate()
    yield database
    await database.close()
