"""Credentials for conversations with a XUNA agent: documents 000 and 001."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.agents.xuna.api import XunaAgent
from bridge.call.ports import Brief
from bridge.errors import AgentFailure, Reason

BRIEF = Brief("call_1", "CA1", "inbound", "+15550111", "+15550100", first_message="Good evening!")
SIGN = "GET /v1/convai/conversation/get-signed-url"
TOKEN = "GET /v1/convai/conversation/token"
AGENTS = "GET /v1/convai/agents"


def _agent(api: Any, **settings: Any) -> XunaAgent:
    known = {"name": "support", "agent_id": "agent_1", "api_key": "canary", "base_url": api.base_url}
    return XunaAgent(**(known | settings))


@pytest.fixture
async def agent(api: Any) -> AsyncIterator[XunaAgent]:
    """An agent of the fake API, which grants sockets on its own host."""
    api.answers[SIGN] = {"signed_url": api.base_url.replace("http", "ws") + "/v1/convai/conversation?token=t"}
    made = _agent(api, dynamic_variables={"plan": "Pro"})
    yield made
    await made.close()


async def test_each_call_gets_its_own_signed_url(api: Any, agent: XunaAgent) -> None:
    """One request with the key in xi-api-key for each call, and the socket URL as granted."""
    sessions = [await agent.open(BRIEF), await agent.open(BRIEF)]
    assert [(name, query) for name, query, _, _ in api.seen] == [(SIGN, {"agent_id": "agent_1"})] * 2
    assert {headers["xi-api-key"] for _, _, headers, _ in api.seen} == {"canary"}
    assert sessions[0].url.reveal().endswith("/v1/convai/conversation?token=t")
    assert sessions[0].expires_in > 0
    assert "token" not in repr(sessions[0])
    (first,) = sessions[0].stream.open()
    opening = json.loads(first)
    assert opening["dynamic_variables"]["plan"] == "Pro"
    assert opening["conversation_config_override"] == {"agent": {"first_message": "Good evening!"}}
    assert sessions[0].stream is not sessions[1].stream
    for session in sessions:
        await agent.release(session, stopped=False)
    assert len(api.seen) == 2


async def test_a_public_agent_is_connected_by_its_id(api: Any) -> None:
    """A public agent needs no request: its address holds its id, escaped."""
    agent = _agent(api, authentication="public", agent_id="a/b&c", api_key="")
    session = await agent.open(BRIEF)
    assert session.url.reveal() == api.base_url.replace("http", "ws") + "/v1/convai/conversation?agent_id=a%2Fb%26c"
    assert "public" in await agent.check()
    assert api.seen == []


def test_the_providers_own_addresses_are_the_defaults() -> None:
    """Without base_url the documented address of the dialect is used."""
    for dialect in ("xuna", "elevenlabs"):
        XunaAgent(name="x", agent_id="a", api_key="k", dialect=dialect)


@pytest.mark.parametrize("reply", [{}, {"signed_url": None}, {"signed_url": "wss://evil.example/x"}, {"signed_url": 5}])
async def test_a_socket_that_may_not_be_dialled_is_a_bad_reply(api: Any, agent: XunaAgent, reply: Any) -> None:
    """A missing or foreign signed URL makes no session."""
    api.answers[SIGN] = reply
    with pytest.raises(AgentFailure) as caught:
        await agent.open(BRIEF)
    assert caught.value.reason is Reason.AGENT_BAD_REPLY


async def test_nothing_is_tried_twice(api: Any, agent: XunaAgent) -> None:
    """A failure is told at once, with the word whether another attempt may help."""
    del api.answers[SIGN]
    with pytest.raises(AgentFailure) as caught:
        await agent.open(BRIEF)
    assert (caught.value.reason, caught.value.retry) == (Reason.AGENT_NOT_FOUND, False)
    assert "agent_id" in caught.value.hint
    assert len(api.seen) == 1


async def test_a_token_has_variables_and_overrides_attached(api: Any, agent: XunaAgent) -> None:
    """A conversation token is created with what its conversation is to know."""
    api.answers[TOKEN] = {"token": "tok"}
    token = await agent.token(BRIEF)
    assert token.reveal() == "tok"
    assert str(token) == "***"
    ((_, query, _, _),) = api.seen
    assert query["agent_id"] == "agent_1"
    variables = json.loads(query["dynamic_variables"])
    assert (variables["plan"], variables["call_id"]) == ("Pro", "call_1")
    assert json.loads(query["conversation_config_override"]) == {"agent": {"first_message": "Good evening!"}}


@pytest.mark.parametrize("reply", [{}, {"token": ""}, {"token": 1}, {"token": "a b"}, {"token": "x" * 20_000}])
async def test_a_token_that_is_none_is_a_bad_reply(api: Any, agent: XunaAgent, reply: Any) -> None:
    """What is handed to a browser is a token or nothing."""
    api.answers[TOKEN] = reply
    with pytest.raises(AgentFailure):
        await agent.token()


async def test_the_check_finds_the_agent_on_a_later_page(api: Any, agent: XunaAgent) -> None:
    """The list of agents is read on until the agent is found."""
    pages = {
        "": {"agents": [{"agent_id": "x"}], "next_cursor": "c", "has_more": True},
        "c": {"agents": [{"agent_id": "agent_1"}]},
    }
    api.answers[AGENTS] = lambda request: _json(pages[request.query.get("cursor", "")])
    assert "agent_1" in await agent.check()
    assert [found["agent_id"] for found in await agent.agents()] == ["x", "agent_1"]


async def test_the_check_tells_a_missing_agent(api: Any, agent: XunaAgent) -> None:
    """A key that works for a workspace without the agent is told apart from a bad key; an endless list ends."""
    api.answers[AGENTS] = {"agents": [{"agent_id": "x"}], "next_cursor": "same", "has_more": True}
    with pytest.raises(AgentFailure) as caught:
        await agent.check()
    assert caught.value.reason is Reason.AGENT_NOT_FOUND


def _json(value: Any) -> Any:
    from aiohttp import web

    return web.json_response(value)
