"""``POST /tools/{agent}``: an agent asks for a tool."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.call.ports import Secret
from bridge.tools.asking import ToolCall, ToolProblem
from bridge.tools.toolbox import from_payload
from bridge.web.bodies import BodyTooLarge, read_body
from bridge.web.problems import problem

MAX_BODY: Final = 64 * 1024  # bytes of a request

log = structlog.get_logger("bridge.tools")


class ToolRoutes:
    """``keys``: every agent and the secrets under which it may ask, several while they are rotated; none: it may not."""

    def __init__(
        self, keys: Mapping[str, Sequence[Secret]], asked: Callable[[ToolCall], Awaitable[dict[str, Any]]]
    ) -> None:
        self.refused = 0
        self._keys = keys
        self._asked = asked

    def routes(self) -> list[Route]:
        """The only one."""
        return [Route("/tools/{agent}", self._post, methods=["POST"])]

    async def _post(self, request: Request) -> Response:
        agent = request.path_params["agent"]
        if agent not in self._keys:
            return problem(404, "There is no such agent.", remedy="The path ends in the agent's configured name.")
        if not _proved(self._keys[agent], request):
            self.refused += 1
            log.warning("tool_key_refused", agent=agent)
            return problem(
                401,
                "The secret is missing or wrong.",
                remedy="Send the agent's tools_key as ?key= or as Authorization: Bearer.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        try:
            call = from_payload(agent, msgspec.json.decode(await read_body(request, MAX_BODY)))
        except BodyTooLarge:
            return _answer({"error": "The request is too large."})
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _answer({"error": "The request is not JSON."})
        except ToolProblem as error:
            return _answer({"error": str(error)})
        return _answer(await self._asked(call))


def _proved(keys: Sequence[Secret], request: Request) -> bool:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = bearer.strip() if scheme.lower() == "bearer" else request.query_params.get("key", "")
    presented = given.encode(errors="replace")
    proved = False
    for key in keys:  # all of them, always: time tells nothing
        if hmac.compare_digest(presented, key.reveal().encode()) and key.reveal():
            proved = True
    return proved


def _answer(body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json", headers={"Cache-Control": "no-store"})
