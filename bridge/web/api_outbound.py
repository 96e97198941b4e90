"""``POST /api/v1/calls`` and what else of the operator API places calls."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any, Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import StoreUnavailable
from bridge.outbound.placing import Placing, new_call_id
from bridge.outbound.refusal import Refused
from bridge.outbound.wanted import read
from bridge.store.idempotency import Conflict, Idempotency, New
from bridge.web.bodies import BodyTooLarge, read_body
from bridge.web.problems import problem

MAX_BODY: Final = 64 * 1024
_KEY: Final = re.compile(r"[!-~]{1,255}")

Guard = Callable[[Request], Awaitable[str | Response]]  # who asks, or the refusal
Answer = tuple[int, dict[str, Any]]

log = structlog.get_logger("bridge.api")


@dataclass(frozen=True, slots=True)
class OutboundApi:
    """The routes; ``guard`` proves who asks."""

    placing: Placing
    idempotency: Idempotency
    guard: Guard

    def routes(self) -> list[Route]:
        """They stand before the other routes of the API."""
        return [Route("/api/v1/calls", guarded(self.guard, self._place), methods=["POST"])]

    async def _place(self, request: Request, who: str) -> Response:
        body = await read_json(request)
        body_hash = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

        async def place(seed: str) -> Answer:
            return 202, await self._carry_out(body, new_call_id(seed))

        return await once(self.idempotency, request, who, body_hash, place)

    async def _carry_out(self, body: Any, call_id: str) -> dict[str, Any]:
        if self.placing.draining():
            raise Refused(
                "the bridge is draining", status=503, hint="Ask another instance, or later.", retry_after_s=30
            )
        wanted = read(body, self.placing.policy, datetime.now(UTC))
        record = await self.placing.place(wanted, call_id=call_id)
        return record.public()


async def once(
    idempotency: Idempotency,
    request: Request,
    who: str,
    body_hash: str,
    carry_out: Callable[[str], Awaitable[Answer]],
) -> Response:
    """``Idempotency-Key``: the same request again gets the same answer, and nothing is done twice. Raises Refused.

    ``carry_out`` is given what an id can be made of, "" where there is no key: one whose process died before it answered is
    carried out again, and by the same id it is the same.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        status, made = await carry_out("")
        return JSONResponse(made, status)
    if not _KEY.fullmatch(key):
        raise Refused("this is no Idempotency-Key", hint="Send 1 to 255 printable ASCII characters.")
    scope = f"{who} POST {request.url.path}"
    claim = await idempotency.claim(scope, key, body_hash=body_hash, now=datetime.now(UTC))
    if isinstance(claim, Conflict):
        raise Refused("this Idempotency-Key came with another body before", status=409, hint="Use a fresh key.")
    if not isinstance(claim, New) and claim.http_status is not None:
        replayed = {"Idempotent-Replayed": "true"}
        return Response(claim.response, claim.http_status, replayed, media_type="application/json")
    try:
        status, made = await carry_out(f"{scope}\n{key}\n{body_hash}")
    except Refused:
        await idempotency.release(scope, key)
        raise
    await idempotency.complete(scope, key, http_status=status, response=msgspec.json.encode(made).decode())
    return JSONResponse(made, status)


async def read_json(request: Request, limit: int = MAX_BODY) -> Any:
    """The body, from JSON. Raises Refused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused("the body is not announced as JSON", status=415, hint="Send Content-Type: application/json.")
    try:
        return msgspec.json.decode(await read_body(request, limit))
    except BodyTooLarge:
        raise Refused("the body is too large", status=413, hint=f"Send at most {limit} bytes.") from None
    except (ValueError, RecursionError):
        raise Refused("the body is not JSON", status=400, hint="Send a JSON object in UTF-8.") from None


def guarded(
    guard: Guard, handler: Callable[[Request, str], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """A route behind the operator's keys; refusals become problem+json."""

    async def endpoint(request: Request) -> Response:
        who = await guard(request)
        if isinstance(who, Response):
            return who
        try:
            response = await handler(request, who)
        except Refused as error:
            return refused(error)
        except StoreUnavailable as error:
            return problem(503, "The store is away.", remedy=error.hint, headers={"Retry-After": "2"})
        if request.method != "GET":
            log.info("operator_action", actor=who, method=request.method, route=request.url.path[:64])
        return response

    return endpoint


def refused(error: Refused) -> Response:
    """As problem+json."""
    headers = None if error.retry_after_s is None else {"Retry-After": str(ceil(error.retry_after_s))}
    return problem(error.status, str(error), remedy=error.hint, headers=headers)
