"""What a driver's error means."""

import sqlite3

import pytest
from sqlalchemy import exc

from bridge.errors import BridgeError, LocalError, StoreUnavailable
from bridge.store.failures import verdict


class PostgresError(Exception):
    """A driver's error as asyncpg has them: with an SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("DETAIL: Key (number)=(+15550123456) is there")
        self.sqlstate = sqlstate


def wrapped(cause: Exception) -> exc.DBAPIError:
    """As SQLAlchemy passes it on."""
    return exc.DBAPIError("SELECT '+15550123456'", None, cause)


def sqlite(kind: type[sqlite3.Error], name: str) -> sqlite3.Error:
    """An error of SQLite."""
    error = kind("near +15550123456")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("cause", "word"),
    [
        (PostgresError("28P01"), "password"),
        (PostgresError("3D000"), "name"),
        (PostgresError("53300"), "connection"),
        (PostgresError("25006"), "standby"),
        (PostgresError("42501"), "grant"),
        (PostgresError("42P01"), "tables"),
        (PostgresError("57P01"), "reachable"),
        (PostgresError("40001"), "reachable"),
        (sqlite(sqlite3.OperationalError, "SQLITE_FULL"), "full"),
        (sqlite(sqlite3.OperationalError, "SQLITE_READONLY_DBMOVED"), "written"),
        (sqlite(sqlite3.OperationalError, "SQLITE_BUSY"), "lock"),
        (sqlite(sqlite3.DatabaseError, "SQLITE_NOTADB"), "no SQLite"),
        (sqlite(sqlite3.DatabaseError, "SQLITE_CORRUPT_INDEX"), "backup"),
        (ConnectionRefusedError(), "reachable"),
    ],
)
def test_what_waiting_or_an_operator_may_mend_is_away(cause: Exception, word: str) -> None:
    """With a remedy that fits, whether SQLAlchemy has wrapped it or not."""
    for error in (cause, wrapped(cause)):
        found = verdict(error)
        assert isinstance(found, StoreUnavailable), found
        assert word in found.hint


@pytest.mark.parametrize(
    "cause",
    [
        PostgresError("23505"),
        PostgresError("42601"),
        PostgresError("22001"),
        sqlite(sqlite3.IntegrityError, "SQLITE_CONSTRAINT_UNIQUE"),
        sqlite(sqlite3.ProgrammingError, ""),
        TypeError("an int is wanted"),
        ValueError("a datetime"),
    ],
)
def test_a_statement_that_is_wrong_is_our_own_fault(cause: Exception) -> None:
    """No waiting helps, so nobody is told to wait."""
    assert isinstance(verdict(wrapped(cause)), LocalError)


@pytest.mark.parametrize("error", [TimeoutError(), exc.TimeoutError(), OSError("disk"), wrapped(OSError("disk"))])
def test_silence_is_an_outage(error: Exception) -> None:
    """A time limit, a pool without a connection left, a network that is gone."""
    assert isinstance(verdict(error), StoreUnavailable)


@pytest.mark.parametrize("cause", [PostgresError("23505"), sqlite(sqlite3.OperationalError, "SQLITE_ERROR")])
def test_a_drivers_words_are_not_repeated(cause: Exception) -> None:
    """They quote rows, and rows hold numbers and speech."""
    found: BridgeError = verdict(wrapped(cause))
    assert "+15550123456" not in f"{found} {found.hint}"
