"""In and out of the dashboard: login, logout, its static files, live updates, and the softphone's page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from bridge.call.plan import Line
from bridge.web.access import Denied, Visitor
from bridge.web.bodies import BodyTooLarge, read_body
from bridge.web.dashboard.guard import HERE, Guard, secured
from bridge.web.dashboard.live import EventStream, LiveBus, stream
from bridge.web.problems import problem

MAX_FORM: Final = 4096  # bytes
MAX_FIELDS: Final = 20
MAX_ID: Final = 80  # characters
KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}

log = structlog.get_logger("bridge.dashboard")


class Doorway:
    """Routes that are not about one call."""

    def __init__(
        self,
        guard: Guard,
        live: LiveBus,
        *,
        lines: Mapping[str, Line],
        agents: Callable[[], list[str]],
        tell_logouts: Callable[[], Awaitable[None]],
    ) -> None:
        self._guard = guard
        self._live = live
        self._lines = lines
        self._agents = agents
        self._tell_logouts = tell_logouts
        self._static = {path.name: path for path in (HERE / "static").iterdir() if path.suffix in KINDS}

    def routes(self) -> list[Route]:
        """All of them."""
        wants = self._guard.wants
        return [
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/static/{name}", self._file),
            Route("/live", wants("viewer", page=False)(self._watch)),
            Route("/softphone", wants("viewer")(self._softphone)),
        ]

    async def _login(self, request: Request) -> Response:
        guard = self._guard
        if not guard.access.configured:
            return problem(404, "The dashboard is off.", remedy="Set [api] keys in the configuration.")
        if request.method == "GET":
            return guard.page(
                request, "login.html", None, problem="", next=_inside(request.query_params.get("next", "/"))
            )
        if not guard.sessions.same_origin(request):
            return problem(403, "The form is not ours.", remedy="Log in at this server's own address.")
        form = await read_form(request)
        if form is None:
            return problem(413, "The form is too large.")
        back = _inside(form.get("next", "/"))
        try:
            visitor = guard.access.judge(form.get("key", ""), guard.access.proxies.client(request))
        except Denied as denied:
            return guard.page(request, "login.html", None, status=denied.status, problem=denied.detail, next=back)
        if visitor is None:
            return guard.page(
                request, "login.html", None, status=401, problem="That is not one of the keys.", next=back
            )
        response = RedirectResponse(back, 303)
        guard.sessions.log_in(form["key"], request, response)
        log.info("logged_in", name=visitor.name, role=visitor.role)
        return secured(request, response)

    async def _logout(self, request: Request) -> Response:
        if not self._guard.sessions.same_origin(request):
            return problem(403, "The form is not ours.")
        response = RedirectResponse("/login", 303)
        self._guard.sessions.log_out(request, response)
        await self._tell_logouts()
        return secured(request, response)

    async def _file(self, request: Request) -> Response:
        path = self._static.get(request.path_params["name"])
        if path is None:
            return problem(404, "There is no such file.")
        response = FileResponse(path, media_type=KINDS[path.suffix], headers={"cache-control": "no-cache"})
        return secured(request, response)

    async def _watch(self, request: Request, visitor: Visitor) -> Response:
        call = request.query_params.get("call", "")[:MAX_ID]
        levels, campaigns = (name in request.query_params for name in ("levels", "campaigns"))

        def still_allowed() -> bool:
            try:
                return self._guard.visitor(request) is not None
            except Denied:
                return False

        async def body() -> AsyncIterator[bytes]:
            async with self._live.watch(call, levels=levels, campaigns=campaigns) as viewer:
                if viewer is None:
                    return
                async for message in stream(viewer, still_allowed):
                    yield message

        return EventStream(body(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def _softphone(self, request: Request, visitor: Visitor) -> Response:
        return self._guard.page(
            request, "softphone.html", visitor, lines=list(self._lines.values()), agents=self._agents()
        )


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields of an urlencoded form; None where it is too large. Raises HTTPException as ``read_body`` does."""
    try:
        body = await read_body(request, MAX_FORM)
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except (BodyTooLarge, ValueError):  # ValueError: so many fields
        return None


def _inside(target: str) -> str:
    # "//host" and "/\host" lead elsewhere: browsers read the backslash as a slash.
    return target if target.startswith("/") and target[1:2] not in ("/", "\\") and target.isprintable() else "/"
