"""What every route of the operator API has in common, asked without a store or a server."""

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.call.ports import Secret
from bridge.errors import AgentFailure, CarrierFailure, Reason, StoreUnavailable
from bridge.store.idempotency import Claim, Conflict, New, Same
from bridge.web.access import Access, Key
from bridge.web.api.endpoint import MAX_BODY, Api, Asked, Endpoint, Refused, answer
from tests.web.asking import Reply, ask

OPERATOR, VIEWER = "operator-key-0123456789", "viewer-key-0123456789"


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    number: int


class Memory:
    """Idempotency keys in memory, as the store keeps them."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[str, int | None, str | None]] = {}

    async def claim(self, scope: str, key: str, *, body_hash: str, now: datetime) -> Claim:
        """The first one gets New."""
        if (scope, key) not in self.kept:
            self.kept[scope, key] = (body_hash, None, None)
            return New()
        known, status, response = self.kept[scope, key]
        return Same(status, response) if known == body_hash else Conflict()

    async def complete(self, scope: str, key: str, *, http_status: int, response: str) -> None:
        """What the next is answered."""
        self.kept[scope, key] = (self.kept[scope, key][0], http_status, response)

    async def release(self, scope: str, key: str) -> None:
        """As if nobody had asked."""
        del self.kept[scope, key]


class World:
    """An API of one route that does what the test says and counts how often it did."""

    def __init__(self) -> None:
        self.done: list[Asked] = []
        self.fails: Exception | None = None
        self.memory = Memory()
        self.api = Api(Access([Key(Secret(OPERATOR)), Key(Secret(VIEWER), "viewer", "looker")]), self.memory)  # type: ignore[arg-type]
        self.api.add(
            Endpoint("POST", "/wishes", self._wish, role="operator", body=Wish),
            Endpoint("GET", "/wishes", self._look),
        )

    async def _wish(self, asked: Asked) -> Response:
        self.done.append(asked)
        if self.fails is not None:
            raise self.fails
        return answer(202, {"number": asked.body.number, "time": len(self.done)})

    async def _look(self, asked: Asked) -> Response:
        return answer(200, {"who": asked.visitor.name})

    async def ask(self, method: str = "POST", path: str = "/wishes", *, body: Any = None, **headers: str) -> Reply:
        """One request; ``key`` and the like become headers."""
        sent = {"authorization": f"Bearer {headers.pop('key', OPERATOR)}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps({"number": 1} if body is None else body).encode()
        return await ask(self.api.routes(), method, f"/api/v1{path}", body=data, headers=sent)


@pytest.fixture
def world() -> World:
    """A fresh one."""
    return World()


def told(reply: Reply) -> tuple[int, str]:
    """The status and what to do, of an error in the one form that all have."""
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == reply.status
    return reply.status, reply.json["remedy"]


async def test_nothing_is_done_for_who_has_no_key_or_too_small_a_one(world: World) -> None:
    """401 and 403; and without a key nobody learns which routes there are."""
    assert told(await world.ask(key="wrong"))[0] == 401
    assert told(await world.ask(path="/nowhere", key="wrong"))[0] == 401
    assert told(await world.ask(key=VIEWER))[0] == 403
    assert (await world.ask("GET", key=VIEWER)).json == {"who": "looker"}
    assert world.done == []


async def test_a_body_is_checked_before_anything_is_done(world: World) -> None:
    """Not announced, no JSON, not as described, too large: each with its own status and a remedy."""
    deep = b"[" * 100_000
    for status, reply in (
        (415, await world.ask(content_type="text/plain")),
        (400, await world.ask(body=b"{")),
        (400, await world.ask(body=b'{"number\xff": 1}')),
        (422, await world.ask(body=b'{"number": ' + deep[: MAX_BODY - 20])),
        (422, await world.ask(body={"number": "1"})),
        (422, await world.ask(body={"number": 1, "more": 2})),
        (413, await world.ask(body=b" " * (MAX_BODY + 1))),
    ):
        assert told(reply)[0] == status
        assert told(reply)[1]
    assert world.done == []


async def test_other_methods_and_paths_are_named(world: World) -> None:
    """405 says which there are, 404 where the description is; HEAD is answered as GET."""
    refused = await world.ask("DELETE")
    assert told(refused)[0] == 405
    assert refused.headers["allow"] == "GET, HEAD, POST"
    assert told(await world.ask(path="/nowhere"))[0] == 404
    assert (await world.ask("HEAD")).status == 200


async def test_methods_that_other_routes_answer_for_are_named_too(world: World) -> None:
    """A path may be shared with routes that stand before, or be theirs alone."""

    async def elsewhere(request: Request) -> Response:
        return answer(200, {})

    shared = Route("/api/v1/wishes", elsewhere, methods=["PATCH"])
    theirs = Route("/api/v1/dreams/{id}", elsewhere, methods=["GET"])
    routes = [shared, theirs, *world.api.routes([shared, theirs])]
    headers = {"authorization": f"Bearer {OPERATOR}"}
    for path, allowed in (("wishes", "GET, HEAD, PATCH, POST"), ("dreams/1", "GET, HEAD")):
        refused = await ask(routes, "DELETE", f"/api/v1/{path}", headers=headers)
        assert told(refused)[0] == 405
        assert refused.headers["allow"] == allowed
    assert told(await ask(routes, "DELETE", "/api/v1/dreams/1"))[0] == 401
    assert (await ask(routes, "GET", "/api/v1/dreams/1")).status == 200


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Refused(409, "It has ended.", "Look at it."), 409),
        (StoreUnavailable("away", hint="Start it."), 503),
        (CarrierFailure("busy", hint="Ask again."), 502),
        (AgentFailure("no", reason=Reason.AGENT_AUTH, hint="Look."), 502),
    ],
)
async def test_what_failed_is_told_in_one_form(world: World, failure: Exception, status: int) -> None:
    """With its remedy, and never from a cache."""
    world.fails = failure
    reply = await world.ask()
    assert told(reply)[0] == status
    assert told(reply)[1]
    assert reply.headers["cache-control"] == "no-store"


async def test_the_same_request_with_the_same_key_is_done_once(world: World) -> None:
    """The second answer is the first one's, to the letter, and says that it is a repetition."""
    first, again = [await world.ask(idempotency_key="k") for _ in range(2)]
    assert (first.status, first.body) == (again.status, again.body)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(world.done) == 1
    assert (await world.ask(idempotency_key="other")).json["time"] == 2


async def test_the_same_key_with_another_body_or_while_the_first_is_under_way_is_a_conflict(world: World) -> None:
    """409 both times; of the second it is worth asking again."""
    await world.ask(idempotency_key="k")
    assert told(await world.ask(idempotency_key="k", body={"number": 2}))[0] == 409
    world.fails = CarrierFailure("nobody knows whether it was taken", unsure=True)
    await world.ask(idempotency_key="unsure")
    world.fails = None
    waiting = await world.ask(idempotency_key="unsure")
    assert told(waiting)[0] == 409
    assert waiting.headers["retry-after"] == "1"
    assert len(world.done) == 2


@pytest.mark.parametrize("failure", [Refused(422, "no"), StoreUnavailable("away"), CarrierFailure("refused")])
async def test_a_key_whose_request_did_nothing_may_be_used_again(world: World, failure: Exception) -> None:
    """An error that surely changed nothing is not kept."""
    world.fails = failure
    assert (await world.ask(idempotency_key="k")).status >= 400
    world.fails = None
    assert (await world.ask(idempotency_key="k")).status == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "\u00e9"])
async def test_a_key_that_is_none_is_refused(world: World, key: str) -> None:
    """Before anything is done."""
    assert told(await world.ask(idempotency_key=key))[0] == 422
    assert world.done == []
