"""The demo agent's tools, asked of a bridge on loopback."""

import json
from typing import Any

import pytest
from aiohttp import web

from bridge.agents.demo.tools import Tools
from tests.agents.conftest import FakeApi


async def test_a_tool_is_asked_for_as_a_hosted_agent_does(api: FakeApi) -> None:
    """With the call that it is about, whatever the arguments say."""
    api.answers["POST /tools/demo"] = {"result": "ok"}
    tools = Tools.of({"tools_url": f"{api.base_url}/tools/demo?key=k", "call_id": "call_1"})
    assert tools
    assert await tools.use("book", {"day": "Thursday", "call_id": "call_9"})
    ((_, query, _, body),) = api.seen
    told = json.loads(body)
    assert query == {"key": "k"}
    assert (told["tool_name"], told["tool_args"]) == ("book", {"day": "Thursday", "call_id": "call_1"})


@pytest.mark.parametrize(
    "answer",
    [
        {"error": "no"},
        [1],
        lambda _request: web.json_response({"error": "busy"}, status=503),
        lambda _request: web.Response(text="<html>"),
        lambda _request: web.Response(status=302, headers={"Location": "/"}),
    ],
)
async def test_what_did_not_go_well_is_said_so(api: FakeApi, answer: Any) -> None:
    """And never raises."""
    api.answers["POST /tools/demo"] = answer
    assert not await Tools(f"{api.base_url}/tools/demo", "call_1").use("book", {})


@pytest.mark.parametrize("url", ["", "ftp://a.example", "None"])
def test_without_an_address_there_are_no_tools(url: str) -> None:
    """The conversation goes on without."""
    assert not Tools.of({"tools_url": url})
    assert not Tools.of({})


async def test_nobody_there_is_no_success() -> None:
    """As above."""
    assert not await Tools("http://127.0.0.1:9/tools", "call_1").use("book", {})
