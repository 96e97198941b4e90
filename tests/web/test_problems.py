"""Errors as problem+json."""

import json

import pytest
from starlette.exceptions import HTTPException

from bridge.errors import BridgeError, StoreUnavailable
from bridge.web.problems import OTHERWISE, bridge_problem, http_problem, problem
from tests.web.asking import request


def test_a_problem_has_title_status_detail_and_remedy() -> None:
    """RFC 9457's fields and media type."""
    reply = problem(404, "There is no such call.", remedy="Look again.", headers={"X-A": "b"})
    assert reply.status_code == 404
    assert reply.media_type == "application/problem+json"
    assert reply.headers["x-a"] == "b"
    assert json.loads(bytes(reply.body)) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such call.",
        "remedy": "Look again.",
    }


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 502, 503])
def test_no_problem_is_without_a_remedy(status: int) -> None:
    """Where nobody gave one, what holds for every error of its kind."""
    assert json.loads(bytes(problem(status, "x").body))["remedy"]


async def test_the_frameworks_own_errors_are_problems_too() -> None:
    """With their status and headers, without what was asked."""
    reply = await http_problem(request("GET", "/secret"), HTTPException(405, headers={"Allow": "POST"}))
    assert reply.status_code == 405
    assert reply.headers["allow"] == "POST"
    assert "secret" not in bytes(reply.body).decode()
    assert json.loads(bytes(reply.body))["remedy"]


@pytest.mark.parametrize(
    ("error", "status", "remedy"),
    [
        (StoreUnavailable("postgresql://secret", hint="Ask again."), 503, "Ask again."),
        (BridgeError("secret"), 503, OTHERWISE),
        (ZeroDivisionError("secret"), 500, OTHERWISE),
    ],
)
async def test_an_error_that_nobody_handled_tells_nothing_inside(error: Exception, status: int, remedy: str) -> None:
    """Only the hint that was written for people."""
    reply = await bridge_problem(request(), error)
    assert reply.status_code == status
    assert "secret" not in bytes(reply.body).decode()
    assert json.loads(bytes(reply.body))["remedy"] == remedy
