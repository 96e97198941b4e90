"""``/healthz``, ``/readyz``: is the process alive, does it take calls? Neither says anything secret."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.runtime.switchboard import Switchboard


def health_routes(switchboard: Switchboard, ready: Callable[[], bool]) -> list[Route]:
    """``ready``: everything that a call needs has started."""

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        if switchboard.draining or switchboard.leaving:
            state = "draining"
        elif not ready():
            state = "starting"
        elif switchboard.full:
            state = "full"
        else:
            state = "ready"
        return JSONResponse(
            {"status": state, "active_calls": switchboard.active}, status_code=200 if state == "ready" else 503
        )

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
