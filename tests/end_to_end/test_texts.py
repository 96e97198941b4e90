"""Text: by SMS, over the API, and from web pages, over the whole bridge."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.app import House
from bridge.call.record import Direction
from tests.standins.kura import Key, Kura
from tests.standins.twilio import Carrier
from tests.standins.twilio.dialling import Person
from tests.standins.twilio.rest import TwilioRest
from tests.support.house import ACCOUNT, API_KEY, PUBLIC, TOKEN, running

KEY = "kura_live_standin_0001"
PERSON = "+15550123456"
PAGE = "https://www.example.com"


@dataclass
class Scene:
    """A bridge, its carrier and its assistant, which answers by itself."""

    house: House
    kura: Kura
    carrier: Carrier
    rest: TwilioRest
    answering: set[asyncio.Task[None]]

    @property
    def sent(self) -> list[tuple[str, str]]:
        """To whom which texts went."""
        return [(message["to"], message["body"]) for message in self.rest.texts.sent.values()]

    async def text(self, body: str, *, sender: str = PERSON, replies: int | None = None) -> None:
        """Somebody writes; wait until so many texts have gone out in all."""
        await self.carrier.text(body, from_=sender)
        if replies is not None:
            async with asyncio.timeout(5):
                while len(self.sent) < replies:
                    await asyncio.sleep(0.01)

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """Status and JSON."""
        url = f"http://127.0.0.1:{self.house.port}{path}"
        async with aiohttp.ClientSession() as client, client.post(url, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)


async def answer_all(kura: Kura) -> None:
    """Every session answers every message with its number and text."""
    async with asyncio.TaskGroup() as group:
        while True:
            session = await kura.session(timeout=3600)

            async def serve(session: Any = session) -> None:
                done = 0
                while True:
                    await session.got("textMessage", count=done + 1, timeout=3600)
                    done += 1
                    words = session.of("textMessage")[done - 1]["text"]
                    await session.transcription("output", f"{done}: ")
                    await session.turn_complete(words, f"{done}: {words}")

            group.create_task(serve())


@contextlib.asynccontextmanager
async def scene(folder: Path, *, chat: str = "", page: str = PAGE, agent: str = "") -> AsyncIterator[Scene]:
    """All of it."""
    async with contextlib.AsyncExitStack() as stack:
        kura = await stack.enter_async_context(Kura(keys=[Key(KEY, per_minute=1000)]))
        carrier = Carrier(public_url=PUBLIC, address="127.0.0.1:1")
        rest = await stack.enter_async_context(TwilioRest(carrier))
        configured = configuration(folder, kura, rest, chat, page).replace(
            "assistant_id = 1", f"assistant_id = 1\n{agent}"
        )
        house = await stack.enter_async_context(running(folder, configured, worker="call_from" in chat))
        carrier._hosts["bridge.example.com"] = f"127.0.0.1:{house.port}"
        await stack.enter_async_context(carrier)
        answering = asyncio.create_task(answer_all(kura))
        try:
            yield Scene(house, kura, carrier, rest, {answering})
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)


def configuration(folder: Path, kura: Kura, rest: TwilioRest, chat: str = "", page: str = PAGE) -> str:
    """One assistant, which answers texts and pages."""
    return f"""
public_url = "{PUBLIC}"
database_url = "sqlite:///{folder}/calls.db"
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
api_base_url = "{rest.url}"
[api]
keys = ["{API_KEY}"]
[agents.demo]
provider = "demo"
[agents.booking]
provider = "kura"
assistant_id = 1
api_key = "{KEY}"
base_url = "{kura.url}"
[chat]
agents = ["booking"]
origins = ["{page}"]
{chat}
[[lines]]
number = "+15550100"
agent = "booking"
text_agent = "booking"
"""


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Scene]:
    """With what most tests need."""
    async with scene(tmp_path) as found:
        yield found


async def test_a_text_opens_a_session_and_the_next_goes_on_with_it(bridge: Scene) -> None:
    """The assistant is told the number; its answers come back as texts, from one session for each person."""
    await bridge.text("Hello", replies=1)
    await bridge.text("When are you open?", replies=2)
    await bridge.text("Hi", sender="+15550199999", replies=3)
    assert bridge.sent == [(PERSON, "1: Hello"), (PERSON, "2: When are you open?"), ("+15550199999", "1: Hi")]
    assert [grant.asked["phone_number"] for grant in bridge.kura.grants.values()] == [PERSON, "+15550199999"]
    assert {grant.mode for grant in bridge.kura.grants.values()} == {"chat"}


async def test_stop_is_for_good_until_start(bridge: Scene) -> None:
    """After STOP nothing is answered, whatever comes; START lets the next message through."""
    await bridge.text("Hello", replies=1)
    for words in ("Stop!", "Are you there?", "HELP", "start"):
        await bridge.text(words)
    await bridge.text("And now?", replies=2)
    assert [body for _, body in bridge.sent] == ["1: Hello", "1: And now?"]


async def test_help_is_answered_by_the_bridge(bridge: Scene) -> None:
    """With the configured words, and no assistant."""
    await bridge.text("help", replies=1)
    assert bridge.sent == [(PERSON, "Reply STOP to receive no more messages.")]
    assert bridge.kura.grants == {}


async def test_machines_are_not_answered(bridge: Scene) -> None:
    """Short codes and our own numbers."""
    await bridge.text("Your code is 1234", sender="72345")
    await bridge.text("Hello", sender="+15550100")
    await bridge.text("Hello", replies=1)
    assert [to for to, _ in bridge.sent] == [PERSON]


async def test_two_bridges_stop_answering_each_other(bridge: Scene) -> None:
    """Every answer is a new message to us: after three the bridge is silent."""
    for number in range(1, 4):
        await bridge.text(f"machine {number}", replies=number)
    for number in range(4, 12):
        await bridge.text(f"machine {number}")
    await bridge.text("Hello", sender="+15550199999", replies=4)
    assert sum(to == PERSON for to, _ in bridge.sent) == 3


async def test_an_app_chats_over_the_api(bridge: Scene) -> None:
    """With the operator's key; the conversation goes on under its id."""
    bearer = {"Authorization": f"Bearer {API_KEY}"}
    status, first = await bridge.post("/api/v1/chat", {"agent": "booking", "message": "Hello"}, **bearer)
    assert (status, first["reply"]) == (200, "1: Hello")
    again = {"agent": "booking", "message": "More", "conversation_id": first["conversation_id"]}
    assert (await bridge.post("/api/v1/chat", again, **bearer))[1]["reply"] == "2: More"
    assert (await bridge.post("/api/v1/chat", again))[0] == 401


@pytest.mark.parametrize("name", ["demo", "nobody"])
async def test_an_app_is_told_which_agents_chat(bridge: Scene, name: str) -> None:
    """One that only talks is the app's mistake, and no fault of the agent's that would pass."""
    bearer = {"Authorization": f"Bearer {API_KEY}"}
    status, told = await bridge.post("/api/v1/chat", {"agent": name, "message": "Hello"}, **bearer)
    assert (status, told["remedy"]) == (404, "Name one of [agents.*] of provider kura.")


async def test_a_page_chats_without_a_key(bridge: Scene) -> None:
    """Pages of the configured origins only, agents of the configuration only, and ids that were given only."""
    body = {"agent": "booking", "text": "Hello"}
    status, first = await bridge.post("/chat/messages", body, Origin=PAGE)
    assert (status, first["reply"], first["call_me"]) == (200, "1: Hello", False)
    again = body | {"conversation_id": first["conversation_id"]}
    assert (await bridge.post("/chat/messages", again, Origin=PAGE))[1]["reply"] == "2: Hello"
    guessed = await bridge.post("/chat/messages", body | {"conversation_id": "guessed"}, Origin=PAGE)
    assert guessed[1]["reply"] == "1: Hello"
    assert (await bridge.post("/chat/messages", body, Origin="https://evil.example.com"))[0] == 403
    assert (await bridge.post("/chat/messages", body))[0] == 403
    assert (await bridge.post("/chat/messages", body | {"agent": "other"}, Origin=PAGE))[0] == 404
    called = {"conversation_id": first["conversation_id"], "number": PERSON}
    assert (await bridge.post("/chat/call", called, Origin=PAGE))[0] == 404


async def test_the_widget_holds_no_secret(bridge: Scene) -> None:
    """What every visitor can read."""
    url = f"http://127.0.0.1:{bridge.house.port}/chat/widget.js"
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        script = await response.text()
        assert response.headers["Content-Type"].startswith("text/javascript")
    assert KEY not in script
    assert "innerHTML" not in script
    assert json.dumps(API_KEY) not in script


async def test_a_visitor_is_called_once_and_only_where_calls_are_allowed(tmp_path: Path) -> None:
    """Through the rules of every outbound call."""
    chat = 'call_from = "+15550100"\n[outbound]\nallowed_prefixes = ["+1"]'
    async with scene(tmp_path, chat=chat) as bridge:
        _, first = await bridge.post("/chat/messages", {"agent": "booking", "text": "Hello"}, Origin=PAGE)
        assert first["call_me"]
        name = first["conversation_id"]
        bridge.rest.people[PERSON] = Person("busy")
        for number, status in [("+4930123456", 422), ("+15550123456", 200), ("+15550123456", 409)]:
            asked = {"conversation_id": name, "number": number}
            assert (await bridge.post("/chat/call", asked, Origin=PAGE))[0] == status
        assert (await bridge.post("/chat/call", {"conversation_id": "x", "number": PERSON}, Origin=PAGE))[0] == 404
        async with asyncio.timeout(5):
            while not bridge.carrier.calls:
                await asyncio.sleep(0.01)
        await bridge.carrier.settled()


async def test_a_person_who_texts_can_be_called_back(tmp_path: Path) -> None:
    """By the assistant's own tool, through the rules of every outbound call."""
    outbound = '[outbound]\nallowed_prefixes = ["+1"]'
    async with scene(tmp_path, chat=outbound, agent='tools_key = "tk-0123456789"') as bridge:
        await bridge.text("Call me tomorrow", replies=1)
        at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        asked = {"tool_name": "schedule_callback", "tool_args": {"at": at}, "assistant_id": 1}
        status, answer = await bridge.post("/tools/booking?key=tk-0123456789", asked)
        assert (status, answer) == (200, {"result": "The call back is scheduled."})
        (placed,) = (await bridge.house.calls.list(direction=Direction.OUTBOUND)).calls
        assert (placed.to_number, placed.line) == (PERSON, "+15550100")
