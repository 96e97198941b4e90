"""The history of conversations: document 002."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from bridge.agents.xuna.api import XunaAgent
from bridge.errors import AgentFailure, Reason

PATH = "/v1/convai/conversations"


@pytest.fixture
async def agent(api: Any) -> Any:
    """An agent of the fake API."""
    made = XunaAgent(name="support", agent_id="agent_1", api_key="canary", base_url=api.base_url)
    yield made
    await made.close()


async def test_a_conversation_is_read(api: Any, agent: XunaAgent) -> None:
    """All that the provider keeps of it comes as it is."""
    api.answers[f"GET {PATH}/conv_1"] = {"transcript": [], "metadata": {"agent_id": "agent_1"}}
    assert (await agent.conversations.get("conv_1"))["metadata"] == {"agent_id": "agent_1"}


async def test_the_recording_is_fetched_from_the_conversations_url(api: Any, agent: XunaAgent) -> None:
    """The audio's URL on the API's own host is fetched with the key."""
    api.answers[f"GET {PATH}/conv_1"] = {"audio": f"{api.base_url}/recordings/1.mp3?sig=x"}
    api.answers["GET /recordings/1.mp3"] = lambda _: web.Response(body=b"ID3" * 100_000)
    assert b"".join([piece async for piece in agent.conversations.audio("conv_1")]) == b"ID3" * 100_000
    assert api.seen[-1][1] == {"sig": "x"}
    assert api.seen[-1][2]["xi-api-key"] == "canary"


async def test_a_relative_recording_url_is_the_apis_own(api: Any, agent: XunaAgent) -> None:
    """A path is meant on the host that named it."""
    api.answers[f"GET {PATH}/conv_1"] = {"audio": "/recordings/1.mp3"}
    api.answers["GET /recordings/1.mp3"] = lambda _: web.Response(body=b"ID3")
    assert [piece async for piece in agent.conversations.audio("conv_1")] == [b"ID3"]


@pytest.mark.parametrize("audio", [None, "", "http://{}/1.mp3", "//{}/1.mp3", "file:///etc/passwd"])
async def test_no_other_host_is_asked_for_a_recording(api: Any, agent: XunaAgent, audio: Any) -> None:
    """A missing or foreign recording is told and not fetched."""
    other = api.base_url.replace("127.0.0.1", "localhost").removeprefix("http://")
    api.answers[f"GET {PATH}/conv_1"] = {"audio": audio.format(other) if audio else audio}
    api.answers["GET /1.mp3"] = {}
    with pytest.raises(AgentFailure):
        assert [piece async for piece in agent.conversations.audio("conv_1")] == []
    assert len(api.seen) == 1


async def test_the_dialect_has_a_route_for_recordings(api: Any) -> None:
    """ElevenLabs serves the recording below the conversation."""
    agent = XunaAgent(name="x", agent_id="a", api_key="k", base_url=api.base_url, dialect="elevenlabs")
    api.answers[f"GET {PATH}/conv_1/audio"] = lambda _: web.Response(body=b"ID3")
    assert [piece async for piece in agent.conversations.audio("conv_1")] == [b"ID3"]
    await agent.close()


async def test_the_list_is_read_page_by_page(api: Any, agent: XunaAgent) -> None:
    """Pages are fetched as they are needed, of this agent's conversations only, and a list that repeats itself ends."""

    def page(request: web.Request) -> web.Response:
        number = int(request.query.get("cursor", "0"))
        return web.json_response(
            {"conversations": [{"conversation_id": f"c{number}"}, "junk"], "next_cursor": str(min(number + 1, 3))}
        )

    api.answers[f"GET {PATH}"] = page
    listing = agent.conversations.list()
    assert (await anext(listing))["conversation_id"] == "c0"
    assert len(api.seen) == 1
    assert [found["conversation_id"] async for found in listing] == ["c1", "c2", "c3"]
    assert {query["agent_id"] for _, query, _, _ in api.seen} == {"agent_1"}
    assert [found async for found in agent.conversations.list(every_agent=True)]
    assert "agent_id" not in api.seen[-1][1]


async def test_deleting_twice_is_deleting(api: Any, agent: XunaAgent) -> None:
    """What is gone already is gone."""
    api.answers[f"DELETE {PATH}/conv_1"] = {}
    await agent.conversations.delete("conv_1")
    del api.answers[f"DELETE {PATH}/conv_1"]
    await agent.conversations.delete("conv_1")
    api.answers[f"DELETE {PATH}/conv_1"] = lambda _: web.Response(status=403)
    with pytest.raises(AgentFailure) as caught:
        await agent.conversations.delete("conv_1")
    assert caught.value.reason is Reason.AGENT_FORBIDDEN


@pytest.mark.parametrize("conversation_id", ["", "../agents", "a/b", "a?b", "a%2Fb", "x" * 200, "ü"])
async def test_an_id_that_would_leave_its_path_is_never_asked_for(
    api: Any, agent: XunaAgent, conversation_id: str
) -> None:
    """An id is letters, digits, dashes and underscores: nothing else becomes a request."""
    for ask in (agent.conversations.get, agent.conversations.delete):
        with pytest.raises(AgentFailure):
            await ask(conversation_id)
    assert api.seen == []
