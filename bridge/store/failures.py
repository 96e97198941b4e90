"""What a driver's error means: the database is away, or the statement is wrong.

The drivers' own texts are never passed on: they may quote rows, and rows hold personal data.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy import exc

from bridge.errors import BridgeError, LocalError, StoreUnavailable

# SQLSTATE classes (PostgreSQL manual, appendix A) that speak of the statement rather than of the server.
OURS: Final = ("0A", "21", "22", "23", "2F", "34", "42")
# ... and codes within them that do not: a schema that is not there yet, rights that were taken away, a statement that
# another client of the same pooler has prepared.
AWAY: Final = frozenset({"42P01", "42501", "42P05"})
POOLER: Final = "If it is PgBouncer in transaction mode, add ?pgbouncer=true to database_url."
HINTS: Final = {
    "08P01": POOLER,  # it refuses settings that it does not know when a connection is made
    "26000": POOLER,  # the statement was prepared on another of its connections
    "42P05": POOLER,
    "28": "Check user and password in database_url.",
    "3D": "Check the database's name in database_url, and create it.",
    "53": "The database's disk is full, or it has no connection left.",
    "25006": "It is read-only: a standby, or one that is being switched over. Name the primary in database_url.",
    "42501": "The user in database_url may not do this: grant it the rights on the database's schema.",
    "42P01": "The tables are not there yet: they are made when the bridge starts.",
    "SQLITE_FULL": "The disk is full.",
    "SQLITE_READONLY": "The file or its folder may not be written to.",
    "SQLITE_CANTOPEN": "The folder in database_url is not there or may not be read.",
    "SQLITE_BUSY": "Another program holds the file's write lock.",
    "SQLITE_NOTADB": "The file in database_url is no SQLite database.",
    "SQLITE_CORRUPT": "The file is damaged: restore it from a backup.",
}
OUTAGES: Final = (exc.DBAPIError, exc.TimeoutError, sqlite3.Error, OSError, TimeoutError)  # what ``verdict`` can judge


def verdict(error: BaseException) -> BridgeError:
    """StoreUnavailable where waiting or an operator may help, LocalError where only another statement would."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    code = str(getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None) or "")
    name = code or type(cause).__name__
    if _ours(cause, code, error):
        return LocalError(f"the database refused a statement ({name})")
    hint = (
        HINTS.get(code) or HINTS.get(code[:2]) or next((HINTS[key] for key in HINTS if code.startswith(key + "_")), "")
    )
    return StoreUnavailable(
        f"the database does not answer ({name})", hint=hint or "Is it running, and reachable from here?"
    )


def _ours(cause: BaseException, code: str, error: BaseException) -> bool:
    if isinstance(cause, sqlite3.Error):
        return not isinstance(cause, sqlite3.OperationalError) and not code.startswith(
            ("SQLITE_NOTADB", "SQLITE_CORRUPT")
        )
    if code:
        return code not in AWAY and code.startswith(OURS)
    return (
        isinstance(error, exc.DBAPIError)
        and isinstance(cause, TypeError | ValueError)
        and not isinstance(cause, OSError)
    )
