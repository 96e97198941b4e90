"""Where the runs of the calls we place keep how far they have come."""

import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.errors import StoreUnavailable
from bridge.store.checkpoints import beside, connect
from bridge.store.url import parse
from tests.store.pooler import Pooler, pgbouncer
from tests.store.postgresql import Server


def test_they_have_a_file_of_their_own_that_only_its_owner_may_read(tmp_path: Path) -> None:
    """Beside the database, in a folder that is made for it: what carries sound never waits for a checkpoint."""
    place = parse(f"sqlite:///{tmp_path}/var/calls.db")
    assert place.path is not None
    file = beside(place.path)
    assert file == tmp_path / "var" / "calls-runs.db"
    engine = connect(place)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE one (a INTEGER)"))
    engine.dispose()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not place.path.exists()


def test_the_file_is_written_as_dbos_would_and_ahead(tmp_path: Path) -> None:
    """Whoever writes has the lock from its first write on; whoever reads waits for nobody."""
    engine = connect(parse(f"sqlite:///{tmp_path}/calls.db"))
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.connection.dbapi_connection is not None
        assert getattr(connection.connection.dbapi_connection, "isolation_level", "") == "IMMEDIATE"
    engine.dispose()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """With the file, and what to look at."""
    (tmp_path / "var").write_text("no folder")
    with pytest.raises(StoreUnavailable, match=r"calls-runs\.db cannot be written"):
        connect(parse(f"sqlite:///{tmp_path}/var/calls.db"))


@pytest.mark.postgresql
def test_a_pooler_in_transaction_mode_is_no_hindrance(server: Server, tmp_path: Path) -> None:
    """However often a statement is made, none is kept on a server connection that the next transaction does not have."""
    with Pooler(pgbouncer(), server, folder=server.folder / tmp_path.name) as port:
        engine = connect(parse(server.url("postgres").replace(f":{server.port}/", f":{port}/") + "?pgbouncer=true"))
        one, other = engine.connect(), engine.connect()
        for number in range(12):  # psycopg prepares what it has seen five times
            for connection in (one, other) if number % 2 else (other, one):
                with connection.begin():
                    assert connection.execute(text("SELECT CAST(:n AS integer)"), {"n": number}).scalar() == number
        one.close()
        other.close()
        engine.dispose()


@pytest.mark.postgresql
def test_a_server_is_asked_directly_as_well(server: Server) -> None:
    """A transaction that was left open is ended by it."""
    engine = connect(parse(server.url("postgres")))
    with engine.connect() as connection:
        assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar() == "1min"
    engine.dispose()
