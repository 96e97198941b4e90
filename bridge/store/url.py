"""``database_url`` as people write it, and what it means for the drivers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from bridge.call.ports import Secret
from bridge.errors import ConfigurationError, Mistake

# Words that other clients of PostgreSQL understand and asyncpg would pass on to the server, which refuses them.
FOREIGN: Final = frozenset(
    {"pgbouncer", "channel_binding", "connect_timeout", "connection_limit", "pool_timeout", "schema"}
)
TRUE: Final = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the database is. ``shown`` may be printed: it holds neither user nor password."""

    kind: Literal["sqlite", "postgresql"]
    shown: str
    path: Path | None = None  # SQLite's file
    dsn: Secret | None = None  # PostgreSQL's address, as asyncpg reads it
    pgbouncer: bool = False  # a pooler that hands every transaction to another server connection


def parse(url: str | Secret) -> Place:
    """Read a URL: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://...`` (also ``postgres://`` and with
    a ``+driver``). Options of libpq (``sslmode``, ``target_session_attrs``, several hosts) are kept; ``pgbouncer=true``
    means a pooler in transaction mode. Raises ConfigurationError.
    """
    text = (url.reveal() if isinstance(url, Secret) else url).strip()
    scheme = text.partition("://")[0].lower().partition("+")[0]
    if scheme == "sqlite":
        return _sqlite(text)
    if scheme in {"postgresql", "postgres"}:
        return _postgresql(text)
    raise _mistake(
        "names no database that is known", "Use sqlite:///path/to/file.db or postgresql://user:password@host/name."
    )


def _sqlite(text: str) -> Place:
    rest = text.partition("://")[2].partition("?")[0]
    if not rest.startswith("/"):
        raise _mistake(
            "has no path", "Write three slashes for a relative path (sqlite:///var/a.db), four for an absolute one."
        )
    name = unquote(rest[1:])
    if name in {"", ":memory:"} or name.endswith("/"):
        raise _mistake("names no file", "Name a file, as in sqlite:///var/callbridge.db: records outlive the process.")
    return Place("sqlite", shown=f"sqlite:///{name}", path=Path(name))


def _postgresql(text: str) -> Place:
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _mistake("is not a URL", "Percent-encode special characters in user and password.") from None
    if "@" in parts.path or "@" in parts.fragment:
        # The password ended the host part early: what follows would be shown, and connected to, as something it is not.
        raise _mistake("has a user or password with /, ? or # in it", "Percent-encode them: %2F, %3F, %23.")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    pooled = any(key == "pgbouncer" and value.lower() in TRUE for key, value in pairs)
    query = urlencode([(key, value) for key, value in pairs if key not in FOREIGN])
    dsn = urlunsplit(("postgresql", parts.netloc, parts.path, query, ""))
    host = parts.netloc.rpartition("@")[2] or "local socket"
    return Place("postgresql", shown=f"postgresql://{host}{parts.path}", dsn=Secret(dsn), pgbouncer=pooled)


def _mistake(problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Mistake("settings", "database_url", problem, remedy)])
