"""Errors as ``application/problem+json`` (RFC 9457), each with a remedy."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import BridgeError

REMEDIES: Final = {  # where nothing better can be said
    400: "Check the request against /api/v1/openapi.json, or Twilio's documentation for its webhooks.",
    403: "Check the credentials of the request.",
    404: "Check the address; /api/v1/openapi.json has those of the API.",
    405: "Use one of the methods that the header Allow names.",
    413: "Send less at once.",
}
OTHERWISE: Final = "Try again; if it goes on, the bridge's log says more."


def problem(status: int, detail: str, *, remedy: str = "", headers: dict[str, str] | None = None) -> Response:
    """One error. ``detail`` and ``remedy`` hold neither secrets nor what the sender wrote."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "remedy": remedy or REMEDIES.get(status, OTHERWISE),
    }
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


async def http_problem(request: Request, error: Exception) -> Response:
    """For Starlette's own errors: unknown path, wrong method."""
    status = getattr(error, "status_code", 500)
    headers = getattr(error, "headers", None)
    return problem(status, HTTPStatus(status).description or HTTPStatus(status).phrase, headers=headers)


async def bridge_problem(request: Request, error: Exception) -> Response:
    """For an error of ours that nobody handled: no details to the outside."""
    hint = error.hint if isinstance(error, BridgeError) else ""
    return problem(503 if isinstance(error, BridgeError) else 500, "The bridge could not do this.", remedy=hint)
