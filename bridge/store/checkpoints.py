"""Where the engine of the calls we place (DBOS Transact) keeps how far each of its runs has come.

On PostgreSQL that is the schema ``dbos`` of the same database; on SQLite a file beside ours, so that a checkpoint never waits
for, or holds up, what the process that carries sound writes. Nothing of it is needed to know what may be dialled: a run that is
not there is begun anew from its attempt.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, QueuePool, create_engine, event

from bridge.call.ports import Secret
from bridge.errors import StoreUnavailable
from bridge.store.url import Place

POOL: Final = 5  # connections; threads of the engine wait for one
BUSY_MS: Final = 30_000  # only runs write there, each for a moment
CONNECT_S: Final = 5


def beside(path: Path) -> Path:
    """The file of the runs of a SQLite database."""
    return path.with_name(f"{path.stem}-runs{path.suffix}")


def connect(place: Place) -> Engine:
    """Connections as DBOS uses them, from its threads. Raises StoreUnavailable where there can be no file."""
    pooled: dict[str, Any] = {"poolclass": QueuePool, "pool_size": POOL, "max_overflow": 0, "hide_parameters": True}
    if place.path is None:
        return create_engine("postgresql+psycopg://", creator=_to_server(place), pool_pre_ping=True, **pooled)
    file = beside(place.path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"{file} cannot be written: {error.strerror}", hint="Whose is its folder?") from None
    engine = create_engine(URL.create("sqlite+pysqlite", database=str(file)), **pooled)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"  # or two transactions that read first and then write refuse each other
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _to_server(place: Place) -> Any:
    import psycopg

    dsn = place.dsn or Secret("")
    settings: dict[str, Any] = {"application_name": "callbridge runs", "connect_timeout": CONNECT_S}
    if place.pgbouncer:  # every transaction meets another server connection, which knows no statement of ours
        settings["prepare_threshold"] = None
    else:
        settings["options"] = "-c idle_in_transaction_session_timeout=60000"
    return lambda: psycopg.connect(dsn.reveal(), **settings)
