"""Requests to routes, without a server or a socket."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


def scope(
    method: str = "GET", target: str = "/", *, headers: dict[str, str] | None = None, peer: str = "192.0.2.1"
) -> dict[str, Any]:
    """Of a request."""
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "http_version": "1.1",
        "scheme": "https",
        "server": ("bridge.example.com", 443),
        "client": (peer, 1),
        "root_path": "",
    }


def request(method: str = "GET", target: str = "/", *, body: Iterable[bytes] = (b"",), **more: Any) -> Request:
    """A request whose body comes in these pieces."""
    pieces = list(body)

    async def receive() -> Any:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    return Request(scope(method, target, **more), receive)


async def ask(
    routes: list[BaseRoute] | list[Any], method: str, target: str, *, body: bytes = b"", **more: Any
) -> Reply:
    """The whole answer."""
    sent: list[Any] = []
    pieces = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if not pieces:
            await asyncio.Event().wait()  # the client stays until it has its answer
        return pieces.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    await Starlette(routes=routes)(scope(method, target, **more), receive, send)
    headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:]))
