"""Puts together what places calls, for the server and for the worker."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge import settings as config
from bridge.call.plan import Line
from bridge.outbound.dialler import Dialler, Rest
from bridge.outbound.numbers import Destinations
from bridge.outbound.placing import Placing
from bridge.outbound.policy import Policy
from bridge.runtime.switchboard import Switchboard
from bridge.store.attempts import Attempts
from bridge.store.budget import Budget
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.idempotency import Idempotency
from bridge.store.suppression import Suppressions
from bridge.web.api_outbound import OutboundApi
from bridge.web.problems import problem


@dataclass(frozen=True, slots=True)
class Parts:
    """What the process has already."""

    settings: config.Settings
    lines: Mapping[str, Line]
    database: Database
    calls: Calls
    rest: Rest
    switchboard: Switchboard
    instance: str


def outbound_routes(parts: Parts) -> list[Route]:
    """The routes of the operator API that place calls. They stand before its others."""
    policy = policy_of(parts.settings, parts.lines)
    board = parts.switchboard
    placing = Placing(
        policy=policy,
        calls=parts.calls,
        attempts=Attempts(parts.database),
        dialler=dialler_of(policy, parts.database, parts.calls, parts.rest),
        instance=parts.instance,
        spawn=lambda work: board.spawn(work, name="dial"),
        draining=lambda: board.draining,
    )
    return OutboundApi(placing, Idempotency(parts.database), guard_of(parts.settings)).routes()


def policy_of(settings: config.Settings, lines: Mapping[str, Line]) -> Policy:
    """The rules of ``[outbound]``."""
    outbound = settings.outbound
    own = {number for number in lines if number != "*"} | set(outbound.caller_numbers)
    return Policy(
        destinations=Destinations(outbound.allowed_prefixes, frozenset(own)),
        budget=Budget(
            calls_per_second=outbound.calls_per_second,
            max_concurrent=outbound.max_concurrent,
            daily_limit=outbound.daily_limit,
            daily_minutes=outbound.daily_minutes,
        ),
        lines=lines,
        agents=frozenset(settings.agents),
        caller_numbers=outbound.caller_numbers,
        machine_detection=outbound.machine_detection,
        ring_timeout_s=outbound.ring_timeout_s,
        max_duration_s=outbound.max_duration_s,
        first_line=outbound.first_line,
        public_url=settings.public_url or "",
    )


def dialler_of(policy: Policy, database: Database, calls: Calls, rest: Rest) -> Dialler:
    """Whoever dials."""
    return Dialler(
        calls=calls,
        attempts=Attempts(database),
        suppressions=Suppressions(database),
        rest=rest,
        public_url=policy.public_url,
    )


def guard_of(settings: config.Settings) -> Callable[[Request], Awaitable[str | Response]]:
    """The operator's keys, compared in constant time."""
    known = [
        (each.name or f"key {number}", _digest(each.key.reveal())) for number, each in enumerate(settings.api.keys)
    ]
    may = {each.name or f"key {number}" for number, each in enumerate(settings.api.keys) if each.role == "operator"}

    async def guard(request: Request) -> str | Response:
        if not known:
            return problem(404, "The operator API is off.", remedy="Set [api] keys in the configuration.")
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        digest = _digest(presented.strip())
        matches = [name for name, key in known if hmac.compare_digest(key, digest)]
        if scheme.lower() != "bearer" or not matches:
            return problem(
                401,
                "No key, or not one of ours.",
                remedy="Send the header: Authorization: Bearer KEY, with a key of [api] keys.",
                headers={"WWW-Authenticate": 'Bearer realm="callbridge"'},
            )
        if request.method != "GET" and matches[0] not in may:
            return problem(403, "This key may only look.", remedy="Use a key whose role is operator.")
        return matches[0]

    return guard


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
