"""Credentials for browsers and apps."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.standins.xuna import Xuna
from tests.standins.xuna.server import XunaAgent
from tests.support.deployment import VIEWER, Deployment, deployed

SIGNED = "/api/v1/agents/support/signed-url"


@pytest.fixture
async def all_(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment with the usual limits."""
    async with deployed(tmp_path) as deployment:
        yield deployment


async def test_each_request_gets_a_fresh_credential_and_no_key(all_: Deployment) -> None:
    """A signed URL and a token are minted one by one; the agent's API key is in neither, and a viewer gets none."""
    first, second = (await all_.ask("GET", SIGNED)).json, (await all_.ask("GET", SIGNED)).json
    assert first["signed_url"].startswith("ws")
    assert first["signed_url"] != second["signed_url"]
    token = await all_.ask("GET", "/api/v1/agents/support/token")
    assert token.json["token"]
    assert all_.xuna.api_key not in f"{first} {token.text}"
    assert token.headers["Cache-Control"] == "no-store"
    assert (await all_.ask("GET", SIGNED, key=VIEWER)).status == 403
    assert (await all_.ask("GET", "/api/v1/agents/nobody/token")).status == 404


async def test_users_of_one_key_are_limited_apart(all_: Deployment) -> None:
    """Ten a minute for each user whom the key names; the eleventh is told when to come again; the agent is not asked."""
    for _ in range(10):
        assert (await all_.ask("GET", f"{SIGNED}?user=anna")).status == 200
    refused = await all_.ask("GET", f"{SIGNED}?user=anna")
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await all_.ask("GET", f"{SIGNED}?user=bert")).status == 200
    assert len(all_.xuna.seen("signed_url")) == 11


async def test_conversations_with_a_public_agent_are_capped(tmp_path: Path) -> None:
    """A public agent needs no credential: its id and the allowed duration are told, so many times an hour."""
    public = Xuna(agents=[XunaAgent("agent_1", public=True)])
    async with deployed(tmp_path, xuna=public, agent='authentication = "public"') as deployment:
        first = await deployment.ask("GET", SIGNED)
        assert first.json == {"agent_id": "agent_1", "public": True, "max_duration_s": 600}
        assert not public.seen("signed_url")
        answers = [(await deployment.ask("GET", f"{SIGNED}?user={number}")).status for number in range(70)]
        assert answers.count(200) == 59
        assert answers.count(429) == 11


async def test_an_agent_that_refuses_is_told_without_its_words(all_: Deployment) -> None:
    """What the agent answers to us is no business of the app; the operator gets a remedy."""
    all_.xuna.fault("signed_url", status=401, body='{"detail": "key xi-standin-key-0001 is wrong"}')
    reply = await all_.ask("GET", SIGNED)
    assert reply.status == 502
    assert reply.json["remedy"]
    assert "xi-standin" not in reply.text
