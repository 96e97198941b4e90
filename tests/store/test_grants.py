"""One-time grants."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from bridge.store.database import Database
from bridge.store.grants import Grants, fingerprint

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TOKEN = "a-token-of-many-random-bits"
PROOF = {"carrier_call_id": "CA1", "account_id": "AC1"}


@pytest.fixture
async def grants(database: Database) -> Grants:
    """With one grant minted, good for a minute."""
    grants = Grants(database)
    await grants.mint(fingerprint(TOKEN), call_id="call_1", expires_at=NOW + timedelta(seconds=60), **PROOF)
    return grants


async def test_of_twenty_sockets_with_one_grant_one_is_admitted(grants: Grants) -> None:
    """A token that was seen on its way is worth nothing to whoever comes second."""
    claims = await asyncio.gather(*(grants.consume(fingerprint(TOKEN), now=NOW, **PROOF) for _ in range(20)))
    assert claims.count("call_1") == 1
    assert claims.count(None) == 19


@pytest.mark.parametrize(
    ("token", "proof", "later"),
    [
        ("another", {}, 0),
        ("", {}, 0),
        ("\ud800", {}, 0),
        (TOKEN, {"carrier_call_id": "CA2"}, 0),
        (TOKEN, {"account_id": "AC2"}, 0),
        (TOKEN, {}, 60),
    ],
)
async def test_a_grant_admits_only_its_own_call_and_in_time(
    grants: Grants, token: str, proof: dict[str, str], later: int
) -> None:
    """A wrong token, another call or account, or a minute gone: refused, and the grant is still there for its owner."""
    now = NOW + timedelta(seconds=later)
    assert await grants.consume(fingerprint(token), now=now, **PROOF | proof) is None
    assert await grants.consume(fingerprint(TOKEN), now=NOW, **PROOF) == "call_1"


async def test_a_token_is_never_stored(grants: Grants, database: Database) -> None:
    """Whoever reads the database cannot open a socket with what is there."""
    async with database.read() as connection:
        rows = (await connection.execute(text("SELECT * FROM grants"))).all()
    assert TOKEN not in str(rows)


async def test_expired_grants_are_forgotten(grants: Grants) -> None:
    """The table does not grow for ever, and what is still good stays."""
    assert await grants.purge(NOW) == 0
    assert await grants.purge(NOW + timedelta(seconds=60)) == 1
