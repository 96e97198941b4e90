"""Who may see a page, and what a browser may do with it."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bridge.web.access import Access, Denied, Role, Visitor
from bridge.web.dashboard.sessions import Sessions
from bridge.web.problems import problem

HERE: Final = Path(__file__).parent
# Nothing but our own files, no inline script or style, nobody may frame us. connect-src names the socket's scheme too:
# older Safari does not count wss: as 'self'.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'{nonce}; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'{socket}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

Endpoint = Callable[[Request, Visitor], Awaitable[Response]]


class Guard:
    """Stands before every page of the dashboard, and draws it."""

    def __init__(self, access: Access, sessions: Sessions) -> None:
        self.access = access
        self.sessions = sessions
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def visitor(self, request: Request) -> Visitor | None:
        """Who asks: by key, by session, or from here in the demo. Raises Denied for somebody who guesses keys."""
        return self.access.visitor(request)

    def wants(self, role: Role, *, page: bool = True) -> Callable[[Endpoint], Callable[[Request], Awaitable[Response]]]:
        """Only visitors of this role come in. Others are sent to the login, or (not ``page``) told a problem."""

        def around(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
            @functools.wraps(endpoint)
            async def guarded(request: Request) -> Response:
                try:
                    visitor = self.visitor(request)
                    if visitor is None and (self.access.configured or self.sessions.open_here):
                        if page and request.method == "GET":
                            back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                            return secured(request, RedirectResponse(f"/login?next={quote(back)}", 303))
                        return problem(401, "You are not logged in.", remedy="Log in at /login.")
                    if visitor is None:
                        return problem(404, "The dashboard is off.", remedy="Set [api] keys in the configuration.")
                    if not visitor.may(role):
                        return problem(403, "This key may only look.", remedy="Log in with an operator's key.")
                except Denied as denied:
                    return problem(denied.status, denied.detail, remedy=denied.remedy, headers=denied.headers)
                return secured(request, await endpoint(request, visitor))

            return guarded

        return around

    def page(
        self, request: Request, template: str, visitor: Visitor | None, *, status: int = 200, **facts: Any
    ) -> Response:
        """A page from its template; everything in ``facts`` is text to it."""
        nonce = secrets.token_urlsafe(16)  # for the one style sheet that the waveform library makes itself
        request.state.nonce = nonce
        text = self._templates.get_template(template).render(
            visitor=visitor,
            here=_page_of(request.url.path),
            can_log_out=not self.sessions.open_here,
            nonce=nonce,
            **facts,
        )
        return secured(request, HTMLResponse(text, status))


def secured(request: Request, response: Response) -> Response:
    """With the headers that keep a browser from doing what the page does not ask for."""
    host = request.headers.get("host", "")
    made = getattr(request.state, "nonce", "")
    nonce = f" 'nonce-{made}'" if made else ""
    known = host and all(character.isalnum() or character in ".:-[]" for character in host)
    socket = f" ws://{host} wss://{host}" if known else ""
    response.headers.setdefault("content-security-policy", POLICY.format(socket=socket, nonce=nonce))
    response.headers.setdefault("cache-control", "no-store")
    response.headers.update(
        {
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",  # with no-referrer browsers send forms with "Origin: null"
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "microphone=(self), camera=(), geolocation=()",
        }
    )
    return response


def _page_of(path: str) -> str:
    return "/calls" if path.startswith("/calls/") else path
