"""bridge/web/tools.py."""

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from bridge.call.ports import Secret
from bridge.tools.asking import ToolCall
from bridge.web.tools import ToolRoutes

KEY, FORMER = "tk-0123456789", "tk-9876543210"


async def post(
    path: str = "/tools/support", *, query: str = f"key={KEY}", bearer: str = "", body: bytes | None = None
) -> tuple[int, Any]:
    """Status and JSON of one request."""

    async def asked(call: ToolCall) -> dict[str, Any]:
        return {"agent": call.agent, "tool": call.name}

    app = Starlette(
        routes=ToolRoutes(
            {"support": [Secret(KEY), Secret(FORMER)], "closed": [], "blank": [Secret("")]}, asked
        ).routes()
    )
    content = json.dumps({"tool_name": "book", "tool_args": {}}).encode() if body is None else body
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", bearer.encode())] if bearer else []
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("x", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    assert Request(scope).method == "POST"
    await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def test_the_secret_opens_the_door_in_both_places() -> None:
    """?key= and Authorization: Bearer are the same."""
    for given in ({"query": f"key={KEY}"}, {"query": "", "bearer": f"Bearer {KEY}"}):
        assert await post(**given) == (200, {"agent": "support", "tool": "book"})


@pytest.mark.parametrize(
    "given", [{"query": ""}, {"query": "key=wrong"}, {"query": "key="}, {"query": "", "bearer": "Bearer x"}]
)
async def test_without_it_the_answer_is_401(given: dict[str, str]) -> None:
    """A missing, empty or wrong secret."""
    assert (await post(**given))[0] == 401


async def test_an_agent_without_a_secret_is_never_let_in() -> None:
    """No key, an empty one included, opens what has none."""
    for query in ("", "key=", f"key={KEY}"):
        assert (await post("/tools/closed", query=query))[0] == 401


async def test_an_unknown_agent_is_404() -> None:
    """Whatever the secret."""
    assert (await post("/tools/nobody"))[0] == 404


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 5000, b"[]", b'{"a":"' + b"x" * 70_000 + b'"}'])
async def test_what_cannot_be_understood_is_answered_in_words(body: bytes) -> None:
    """200 with an error: the agent's platform hands that on."""
    status, answer = await post(body=body)
    assert status == 200
    assert set(answer) == {"error"}


async def test_while_a_secret_is_rotated_both_open_the_door() -> None:
    """Nobody has to change it on both sides in the same moment; a blank one opens nothing."""
    assert [(await post(query=f"key={key}"))[0] for key in (KEY, FORMER, "tk-another")] == [200, 200, 401]
    assert (await post("/tools/blank", query="key="))[0] == 401
