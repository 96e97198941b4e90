"""Idempotency keys."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bridge.store.database import Database
from bridge.store.idempotency import LIFE, Conflict, Idempotency, New, Same

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def keys(database: Database) -> Idempotency:
    """The keys of all instances."""
    return Idempotency(database)


async def test_of_twenty_requests_with_one_key_one_is_carried_out(keys: Idempotency) -> None:
    """A request sent twice, to any instances, is done once."""
    claims = await asyncio.gather(*(keys.claim("op", "k", body_hash="h", now=NOW) for _ in range(20)))
    assert claims.count(New()) == 1
    assert claims.count(Same(None, None)) == 19


async def test_the_same_request_again_gets_the_same_answer(keys: Idempotency) -> None:
    """For a day, whoever repeats a request reads what the first one was answered."""
    await keys.claim("op", "k", body_hash="h", now=NOW)
    await keys.complete("op", "k", http_status=202, response='{"call_id": "call_1"}')
    later = NOW + LIFE - timedelta(seconds=1)
    assert await keys.claim("op", "k", body_hash="h", now=later) == Same(202, '{"call_id": "call_1"}')


async def test_another_body_or_another_owner(keys: Idempotency) -> None:
    """A key with another body is a conflict; the same key of somebody else is another key."""
    await keys.claim("op", "k", body_hash="h", now=NOW)
    assert await keys.claim("op", "k", body_hash="other", now=NOW) == Conflict()
    assert await keys.claim("else", "k", body_hash="other", now=NOW) == New()


async def test_a_key_lives_for_a_day(keys: Idempotency) -> None:
    """After 24 h a key is new again, with whatever body."""
    await keys.claim("op", "k", body_hash="h", now=NOW)
    await keys.complete("op", "k", http_status=202, response="{}")
    assert await keys.claim("op", "k", body_hash="other", now=NOW + LIFE) == New()
    assert await keys.claim("op", "k", body_hash="other", now=NOW + LIFE) == Same(None, None)
    assert await keys.purge(NOW + LIFE) == 0
    assert await keys.purge(NOW + 2 * LIFE) == 1


async def test_a_request_that_surely_did_nothing_may_be_made_again(keys: Idempotency) -> None:
    """A released key is new; an answered one cannot be released."""
    await keys.claim("op", "k", body_hash="h", now=NOW)
    await keys.release("op", "k")
    assert await keys.claim("op", "k", body_hash="h", now=NOW) == New()
    await keys.complete("op", "k", http_status=202, response="{}")
    await keys.release("op", "k")
    assert await keys.claim("op", "k", body_hash="h", now=NOW) == Same(202, "{}")
