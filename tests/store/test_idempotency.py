"""Idempotency keys."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from bridge.store.database import Database
from bridge.store.idempotency import LIFE, Conflict, Idempotency, New, Same, forget

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


async def test_an_answer_forgets_a_call_that_is_gone(database: Database, keys: Idempotency) -> None:
    """Whom it called is not named any more; the key still makes the request happen once, and other calls' answers stay."""
    full = {"call_id": "call_1", "status": "queued", "to": "+15550123456", "agent": "support"}
    for name, key in (("call_1", "k"), ("call_12", "l"), ("callx1", "m")):
        await keys.claim("op", key, body_hash="h", now=NOW)
        await keys.complete("op", key, http_status=202, response=json.dumps(full | {"call_id": name}))
    await keys.claim("op", "under way", body_hash="h", now=NOW)
    async with database.write() as connection:
        await forget(connection, "call_1")
    answers = [await keys.claim("op", key, body_hash="h", now=NOW) for key in ("k", "l", "m", "under way")]
    assert answers[0] == Same(202, '{"call_id":"call_1","status":"queued"}')
    assert ["+15550123456" in str(each) for each in answers] == [False, True, True, False]
    assert answers[3] == Same(None, None)


async def test_an_answer_that_only_quotes_the_id_stays(database: Database, keys: Idempotency) -> None:
    """It is not that call's."""
    for key, response in (
        ("k", '{"reply": "call_1"}'),
        ("l", '["call_1"]'),
        ("m", '"call_1"'),
        ("n", '"call_1" no JSON'),
    ):
        await keys.claim("op", key, body_hash="h", now=NOW)
        await keys.complete("op", key, http_status=202, response=response)
        async with database.write() as connection:
            await forget(connection, "call_1")
        assert await keys.claim("op", key, body_hash="h", now=NOW) == Same(202, response)
