"""``database_url`` as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.call.ports import Secret
from bridge.errors import ConfigurationError
from bridge.store.url import parse


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/callbridge.db", "var/callbridge.db"),
        ("sqlite:////var/lib/callbridge.db", "/var/lib/callbridge.db"),
        ("sqlite+aiosqlite:///a%20b.db", "a b.db"),
        (" sqlite:///a.db\n", "a.db"),
    ],
)
def test_a_sqlite_url_names_a_file(url: str, path: str) -> None:
    """Three slashes are relative, four absolute."""
    assert parse(url).path == Path(path)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_is_understood(scheme: str) -> None:
    """What hosting companies hand out works as it is, with the options of libpq."""
    place = parse(
        Secret(f"{scheme}://u:p%40w@db.example.com:5433/calls?sslmode=require&channel_binding=require&pgbouncer=true")
    )
    assert place.dsn is not None
    assert place.dsn.reveal() == "postgresql://u:p%40w@db.example.com:5433/calls?sslmode=require"
    assert place.pgbouncer


def test_a_password_is_never_shown() -> None:
    """Neither the place nor its repr holds user, password or options."""
    place = parse("postgresql://someone:s3cret@db.example.com/calls?password=s3cret2")
    assert place.shown == "postgresql://db.example.com/calls"
    assert not place.pgbouncer
    assert "s3cret" not in repr(place)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://host/x",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///folder/",
        "postgresql://u:s3c/ret@h/x",
        "s3cret",
    ],
)
def test_what_is_no_url_is_a_mistake_that_does_not_quote_it(url: str) -> None:
    """A wrong URL is told with its remedy, and may hold a password all the same."""
    with pytest.raises(ConfigurationError) as told:
        parse(url)
    assert "database_url" in str(told.value)
    assert "s3c" not in str(told.value)
