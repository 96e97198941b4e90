"""What every route of the operator API has in common: proof, limits, one form of errors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import AgentFailure, CarrierFailure, StoreUnavailable
from bridge.store.idempotency import Conflict, Idempotency, New
from bridge.web.access import Access, Denied, Role, Visitor
from bridge.web.bodies import BodyTooLarge, read_body
from bridge.web.problems import problem

PREFIX: Final = "/api/v1"
MAX_BODY: Final = 64 * 1024
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_KEY: Final = re.compile(r"[!-~]{1,255}")

log = structlog.get_logger("bridge.api")


class Refused(Exception):
    """The request is answered with an error: ``status``, what is wrong, what to do."""

    def __init__(self, status: int, detail: str, remedy: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.remedy = remedy
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was let in. ``body``: the Endpoint's Struct, None where it has none."""

    request: Request
    visitor: Visitor
    body: Any = None

    @property
    def id(self) -> str:
        """The ``{id}`` of the path."""
        return str(self.request.path_params["id"])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. ``admit`` replaces the check of keys where other proofs count too."""

    method: str
    path: str  # below PREFIX
    handler: Callable[[Asked], Awaitable[Response]]
    role: Role = "viewer"
    body: type[msgspec.Struct] | None = None
    admit: Callable[[Request], Awaitable[Visitor]] | None = None
    audited: bool = True  # what it does is logged, with who did it


class Api:
    """All routes of the operator API."""

    def __init__(self, access: Access, idempotency: Idempotency) -> None:
        self.access = access
        self.endpoints: list[Endpoint] = []
        self._idempotency = idempotency

    def add(self, *endpoints: Endpoint) -> None:
        """More routes. Before ``routes`` is asked."""
        self.endpoints += endpoints

    def routes(self, beside: Sequence[Route] = ()) -> list[Route]:
        """One for each path, and one for every other below ``/api``: nobody without a key learns which there are. ``beside``:
        routes of the API that stand before these, and answer for some of the methods of a path.
        """
        paths: dict[str, dict[str, Endpoint]] = {}
        for each in self.endpoints:
            paths.setdefault(PREFIX + each.path, {})[each.method] = each
        others: dict[str, set[str]] = {}
        for route in beside:
            others.setdefault(route.path, set()).update(route.methods or ())
        return [
            *(
                Route(path, self._answer(paths.get(path, {}), others.get(path, set())), methods=METHODS)
                for path in [*paths, *(each for each in others if each not in paths and each.startswith(PREFIX))]
            ),
            Route("/api/{rest:path}", self._answer({}, set()), methods=METHODS),
        ]

    def _answer(self, methods: dict[str, Endpoint], others: set[str]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                response = await self._admitted(request, methods, others)
            except (Denied, Refused) as error:
                response = problem(error.status, error.detail, remedy=error.remedy, headers=error.headers)
            except BodyTooLarge:
                response = problem(413, "The body is too large.", remedy=f"Send at most {MAX_BODY} bytes.")
            except StoreUnavailable as error:
                response = problem(503, "The store is away.", remedy=error.hint, headers={"Retry-After": "2"})
            except (CarrierFailure, AgentFailure) as error:
                response = problem(502, str(error), remedy=error.hint)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return endpoint

    async def _admitted(self, request: Request, methods: dict[str, Endpoint], others: set[str]) -> Response:
        found = methods.get("GET" if request.method == "HEAD" else request.method)
        if found is not None and found.admit is not None:
            visitor = await found.admit(request)
        else:
            visitor = self.access.admit(request, "viewer" if found is None else found.role)
        if not methods and not others:
            raise Refused(404, "There is no such route.", f"See {PREFIX}/openapi.json.")
        if found is None:
            allowed = ", ".join(sorted({*methods, *others, *(["HEAD"] if "GET" in methods else [])}))
            raise Refused(405, "This route has no such method.", f"Use {allowed}.", {"Allow": allowed})
        raw = await read_body(request, MAX_BODY)
        asked = Asked(request, visitor, _parsed(request, raw, found.body))
        key = request.headers.get("idempotency-key")
        response = await (
            found.handler(asked) if key is None or found.method != "POST" else self._once(key, found, asked, raw)
        )
        if found.method != "GET" and found.audited:
            log.info(
                "operator_action",
                actor=visitor.name,
                method=found.method,
                route=found.path,
                call_id=request.path_params.get("id"),
                status=response.status_code,
            )
        return response

    async def _once(self, key: str, endpoint: Endpoint, asked: Asked, raw: bytes) -> Response:
        """``Idempotency-Key``: the same request again gets the same answer, and nothing is done twice."""
        if not _KEY.fullmatch(key):
            raise Refused(422, "This is no Idempotency-Key.", "Send 1 to 255 printable ASCII characters.")
        scope = f"{asked.visitor.name} {endpoint.method} {asked.request.url.path}"
        claim = await self._idempotency.claim(
            scope, key, body_hash=hashlib.sha256(raw).hexdigest(), now=datetime.now(UTC)
        )
        if isinstance(claim, Conflict):
            raise Refused(409, "This Idempotency-Key came with another body before.", "Use a fresh key.")
        if not isinstance(claim, New):
            if claim.http_status is None:
                raise Refused(409, "The first request with this key is under way.", "Ask again.", {"Retry-After": "1"})
            return Response(
                claim.response, claim.http_status, {"Idempotent-Replayed": "true"}, media_type="application/json"
            )
        try:
            response = await endpoint.handler(asked)
        except (Refused, StoreUnavailable):
            await self._idempotency.release(scope, key)
            raise
        except CarrierFailure as failure:
            if not failure.unsure:
                await self._idempotency.release(scope, key)
            raise
        if response.status_code < 400:
            text = bytes(response.body).decode()
            await self._idempotency.complete(scope, key, http_status=response.status_code, response=text)
        else:
            await self._idempotency.release(scope, key)
        return response


def answer(status: int, body: dict[str, Any]) -> Response:
    """JSON."""
    return JSONResponse(body, status_code=status)


def _parsed(request: Request, raw: bytes, wanted: type[msgspec.Struct] | None) -> Any:
    if wanted is None:
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "The body is not announced as JSON.", "Send Content-Type: application/json.")
    try:
        return msgspec.json.decode(raw, type=wanted)
    except msgspec.ValidationError as error:
        raise Refused(422, f"The body is not as it should be: {str(error)[:200]}.", "See the route's schema.") from None
    except (ValueError, RecursionError):  # DecodeError is one, and so is bad UTF-8
        raise Refused(400, "The body is not JSON.", "Send a JSON object in UTF-8.") from None
