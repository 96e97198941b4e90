"""What a visitor's browser may ask."""

import json
from typing import Any

import pytest

from bridge.errors import AgentFailure, BridgeError, Reason, StoreUnavailable
from bridge.web.chat.routes import CALLS_PER_ADDRESS, MAX_BODY, MAX_TEXT, ChatRoutes, ChatRules
from bridge.web.proxies import Proxies
from tests.web.asking import Reply, ask

PAGE = "https://shop.example.com"


class World:
    """The routes and what they ask."""

    def __init__(self, *, per_hour: int = 20, call: bool = True, agents: tuple[str, ...] = ("web", "sales")) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.called: list[tuple[str, str]] = []
        self.fails: Exception | None = None
        self.away = False
        rules = ChatRules(agents, frozenset({PAGE}), per_hour, self._call if call else None, {"1": "web", "7": "other"})
        self.chat = ChatRoutes(rules, self, Proxies())  # type: ignore[arg-type]

    async def ask(self, key: str, agent: str, text: str, *, person: str, line: str, metadata: Any) -> str:
        """Of the conversations."""
        if self.fails is not None:
            raise self.fails
        self.asked.append((key, agent, text))
        return f"you said {text}"

    async def agent_of(self, key: str) -> str:
        """Of the conversations: those that another instance has."""
        if self.away:
            raise StoreUnavailable("away")
        return "web" if key == "web:of-another-instance" else ""

    async def _call(self, number: str, agent: str, conversation: str) -> str:
        if self.fails is not None:
            raise self.fails
        self.called.append((number, agent))
        return "call_1"

    async def post(self, what: str, body: Any, *, origin: str = PAGE, peer: str = "192.0.2.1", **more: Any) -> Reply:
        """A request of a page's script."""
        headers = {"Origin": origin, "Content-Type": "application/json", **more}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await ask(self.chat.routes(), "POST", f"/chat/{what}", body=raw, headers=headers, peer=peer)

    async def says(self, text: str = "Hello", name: str = "", *, agent: str = "web", **more: Any) -> Reply:
        """A message."""
        return await self.post("messages", {"agent": agent, "text": text, "conversation_id": name}, **more)


async def test_a_message_is_answered_and_the_conversation_goes_on() -> None:
    """By the id that was given; the page may read the answer, and nobody keeps it."""
    world = World()
    first = await world.says(" Hello ")
    name = first.json["conversation_id"]
    assert first.json == {"conversation_id": name, "reply": "you said Hello", "call_me": True}
    assert first.headers["access-control-allow-origin"] == PAGE
    assert first.headers["cache-control"] == "no-store"
    assert (await world.says("Again", name)).json["conversation_id"] == name
    assert [key for key, _, _ in world.asked] == [f"web:{name}"] * 2
    assert len(name) >= 32


async def test_an_id_that_nobody_was_given_opens_nothing_of_others() -> None:
    """Guessed, or of another agent: a new conversation."""
    world = World()
    name = (await world.says()).json["conversation_id"]
    assert (await world.says(name="guess")).json["conversation_id"] not in ("guess", name)
    assert (await world.says(name=name, agent="sales")).json["conversation_id"] != name


@pytest.mark.parametrize("origin", ["", "https://evil.example.com", PAGE + ".evil.com", "null", PAGE.upper()])
async def test_other_pages_are_refused(origin: str) -> None:
    """Nothing is asked, and their scripts may not even read the refusal."""
    world = World()
    reply = await world.says(origin=origin)
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers
    assert world.asked == []


async def test_a_browser_that_asks_first_is_told() -> None:
    """Without carrying anything out."""
    world = World()
    reply = await ask(world.chat.routes(), "OPTIONS", "/chat/call", headers={"Origin": PAGE})
    assert (reply.status, reply.headers["access-control-allow-methods"]) == (204, "POST")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"agent=web", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b'{"agent":"web","text":1}', "application/json", 400),
        (b'{"agent":"web","text":"x","admin":true}', "application/json", 400),
        (b'{"agent":"web","text":"' + b"x" * MAX_BODY + b'"}', "application/json", 413),
        (b'{"agent":"web","text":"  "}', "application/json", 422),
        (b'{"agent":"web","text":"' + b"x" * (MAX_TEXT + 1) + b'"}', "application/json", 422),
        (b'{"agent":"support","text":"x"}', "application/json", 404),
    ],
)
async def test_what_makes_no_sense_is_refused(body: bytes, kind: str, status: int) -> None:
    """No agent is asked."""
    world = World()
    assert (await world.post("messages", body, **{"Content-Type": kind})).status == status
    assert world.asked == []


async def test_messages_and_conversations_have_limits() -> None:
    """Of one conversation, and of one address that opens them; another address is not concerned."""
    world = World(per_hour=2)
    name = (await world.says()).json["conversation_id"]
    assert (await world.says(name=name)).status == 200
    assert (await world.says(name=name)).status == 429
    assert [(await world.says()).status for _ in range(2)] == [200, 429]
    assert (await world.says(peer="192.0.2.2")).status == 200


@pytest.mark.parametrize(
    ("reason", "status"), [(Reason.OVERLOADED, 503), (Reason.AGENT_BUSY, 503), (Reason.AGENT_AUTH, 502)]
)
async def test_an_agent_that_fails_is_excused(reason: Reason, status: int) -> None:
    """Without a word of why."""
    world = World()
    world.fails = AgentFailure("secret", reason=reason, hint="secret")
    reply = await world.says()
    assert reply.status == status
    assert "secret" not in reply.text


async def test_a_visitor_is_called_once_from_a_conversation() -> None:
    """By its own agent; twice is refused, and so is a call from nowhere."""
    world = World()
    name = (await world.says(agent="sales")).json["conversation_id"]
    assert (await world.post("call", {"conversation_id": "x", "number": "+15550111"})).status == 404
    wanted = {"conversation_id": name, "number": "+15550111"}
    assert (await world.post("call", wanted)).json == {"call_id": "call_1", "status": "queued"}
    assert (await world.post("call", wanted)).status == 409
    assert world.called == [("+15550111", "sales")]


async def test_nobody_is_rung_again_and_again() -> None:
    """One call an hour to a number, from whatever address; few from one address, to whatever number."""
    world = World()
    seen = []
    for number in range(CALLS_PER_ADDRESS + 1):
        name = (await world.says()).json["conversation_id"]
        seen.append((await world.post("call", {"conversation_id": name, "number": f"+1555011{number}"})).status)
    assert seen == [200] * CALLS_PER_ADDRESS + [429]
    name = (await world.says(peer="192.0.2.9")).json["conversation_id"]
    again = {"conversation_id": name, "number": "+15550110"}
    assert (await world.post("call", again, peer="192.0.2.9")).status == 429


async def test_a_number_that_cannot_be_called_may_be_corrected() -> None:
    """The refusal tells how, not why; the conversation may ask again."""
    world = World()
    name = (await world.says()).json["conversation_id"]
    world.fails = BridgeError("secret")
    reply = await world.post("call", {"conversation_id": name, "number": "5550111"})
    assert reply.status == 422
    assert "secret" not in reply.text
    world.fails = None
    assert (await world.post("call", {"conversation_id": name, "number": "+15550111"})).status == 200


async def test_without_it_nobody_is_called_and_the_widget_does_not_offer_it() -> None:
    """The route is as good as not there."""
    world = World(call=False)
    first = await world.says()
    assert first.json["call_me"] is False
    body = {"conversation_id": first.json["conversation_id"], "number": "+15550111"}
    assert (await world.post("call", body)).status == 404


async def test_without_agents_there_are_no_routes() -> None:
    """Not even the widget's script; with them any page may load it."""
    assert World(agents=()).chat.routes() == []
    reply = await ask(World().chat.routes(), "GET", "/chat/widget.js")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/javascript")
    assert reply.headers["cross-origin-resource-policy"] == "cross-origin"


async def test_a_conversation_that_another_instance_opened_goes_on_here() -> None:
    """A balancer may send each message elsewhere; where the store cannot tell, the visitor is asked to wait."""
    world = World()
    assert (await world.says(name="of-another-instance")).json["conversation_id"] == "of-another-instance"
    assert (await world.says(name="of-another-instance", agent="sales")).json[
        "conversation_id"
    ] != "of-another-instance"
    assert (await world.says(name="x" * 101)).json["conversation_id"] != "x" * 101
    world.away = True
    assert (await world.says(name="unknown")).status == 503
    world.away = False
    world.fails = StoreUnavailable("secret")
    reply = await world.says()
    assert (reply.status, "secret" in reply.text) == (503, False)


async def test_an_assistant_may_be_named_by_its_own_id() -> None:
    """As Kura's widget names it (document 004, data-assistant-id): one of those that may be talked to, and no other."""
    world = World()
    assert (await world.says(agent="1")).status == 200
    assert [agent for _, agent, _ in world.asked] == ["web"]
    assert (await world.says(agent="7")).status == 404
