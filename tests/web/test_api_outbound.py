"""``POST /api/v1/calls``: every answer that there is. (Where no keys are configured: ``test_access``.)"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.standins.twilio import Person
from tests.support.deployment import VIEWER, Deployment, deployed

US, THEM = "+15550100", "+12125550123"
BODY: dict[str, Any] = {"to": THEM, "from": US}
LIMITED = '[outbound]\nallowed_prefixes = ["+1"]\ncalls_per_second = 100\ndaily_limit = 1\n'


@pytest.fixture
async def all_(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment that may place one call a day."""
    async with deployed(tmp_path, more=LIMITED, worker=True) as deployment:
        deployment.rest.dialler.anyone = Person("busy", rings=0.02)
        yield deployment
        await deployment.carrier.settled()


def refused(reply: Any, status: int) -> None:
    """An error in the one form that errors have."""
    assert reply.status == status, reply.text
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert reply.json["status"] == status
    assert reply.json["remedy"]


async def test_a_call_is_accepted_by_an_id_of_ours_and_the_next_one_of_the_day_is_not(all_: Deployment) -> None:
    """202 with the call as it stands; 429 says when; a repeated request is answered as before, though the day is used up."""
    key = {"Idempotency-Key": "one"}
    made = await all_.ask("POST", "/api/v1/calls", body={**BODY, "variables": {"name": "Ada"}}, headers=key)
    assert made.status == 202
    assert made.json["call_id"].startswith("call_")
    told = {name: made.json[name] for name in ("direction", "from", "to", "line", "agent", "status")}
    assert told == {
        "direction": "outbound",
        "from": US,
        "to": THEM,
        "line": US,
        "agent": "support",
        "status": "queued",
    }
    late = await all_.ask("POST", "/api/v1/calls", body=BODY)
    refused(late, 429)
    assert int(late.headers["Retry-After"]) > 0
    again = await all_.ask("POST", "/api/v1/calls", body={"variables": {"name": "Ada"}, **BODY}, headers=key)
    assert (again.status, again.json["call_id"]) == (202, made.json["call_id"])
    refused(await all_.ask("POST", "/api/v1/calls", body=BODY, headers=key), 409)
    refused(await all_.ask("POST", "/api/v1/calls", body=BODY, headers={"Idempotency-Key": "\u00e9"}), 422)
    await all_.carrier.pulse.until(lambda: len(all_.carrier.calls) == 1, "the one call")


async def test_a_refused_request_leaves_its_key_free(all_: Deployment) -> None:
    """What was put right is carried out under the same key."""
    key = {"Idempotency-Key": "k"}
    refused(await all_.ask("POST", "/api/v1/calls", body={**BODY, "agent": "nobody"}, headers=key), 422)
    assert (await all_.ask("POST", "/api/v1/calls", body=BODY, headers=key)).status == 202
    await all_.carrier.pulse.until(lambda: len(all_.carrier.calls) == 1, "the one call")


async def test_who_may_not_place_calls_learns_nothing_else(all_: Deployment) -> None:
    """401 without a key or with a wrong one, 403 with one that only looks; nothing is dialled, however wrong the body."""
    refused(await all_.ask("POST", "/api/v1/calls", body=BODY, key=None), 401)
    refused(await all_.ask("POST", "/api/v1/calls", body=b"{", key="wrong-key-0123456789"), 401)
    refused(await all_.ask("POST", "/api/v1/calls", body=BODY, key=VIEWER), 403)
    assert not all_.rest.seen("create_call")


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"{", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 5000, {}, 400),
        (b"[]", {}, 422),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b'{"to": "' + b"1" * 70_000 + b'"}', {}, 413),
        (b"{}", {}, 422),
    ],
)
async def test_what_is_no_request_is_refused(all_: Deployment, body: bytes, more: dict[str, str], status: int) -> None:
    """By the kind of the mistake; nothing is stored."""
    refused(await all_.ask("POST", "/api/v1/calls", body=body, headers=more), status)
    assert (await all_.ask("GET", "/api/v1/calls")).json["calls"] == []


async def test_a_draining_bridge_says_when_to_ask_again(all_: Deployment) -> None:
    """503 for what is new; what was answered before is answered still."""
    key = {"Idempotency-Key": "k"}
    made = await all_.ask("POST", "/api/v1/calls", body=BODY, headers=key)
    all_.house.switchboard.draining = True
    reply = await all_.ask("POST", "/api/v1/calls", body=BODY)
    again = await all_.ask("POST", "/api/v1/calls", body=BODY, headers=key)
    all_.house.switchboard.draining = False
    refused(reply, 503)
    assert int(reply.headers["Retry-After"]) > 0
    assert (again.status, again.json["call_id"]) == (202, made.json["call_id"])
    await all_.carrier.pulse.until(lambda: len(all_.carrier.calls) == 1, "the one call")
