"""bridge/tools/toolbox.py and limits.py."""

import asyncio
from typing import Any

import pytest

from bridge.call import events as e
from bridge.store.busy import Elsewhere
from bridge.tools.arguments import ArgumentRules
from bridge.tools.asking import About, ToolCall, ToolProblem
from bridge.tools.builtin import BuiltIns
from bridge.tools.limits import Allowance
from bridge.tools.roll import Roll
from bridge.tools.toolbox import Tool, Toolbox, from_payload, over_socket

from .conftest import Hands, Live

SECRET = "tools-key-0123456789"


class Shop:
    """A tool whose answer is given, and what it was asked."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer if answer is not None else {"booked": True}
        self.asked: list[tuple[ToolCall, About]] = []
        self.hold: asyncio.Event | None = None

    async def run(self, call: ToolCall, about: About) -> Any:
        """Answer, or fail."""
        self.asked.append((call, about))
        if self.hold is not None:
            await self.hold.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def toolbox(live: Live, shop: Shop, *, result: str = "", **allowance: int) -> Toolbox:
    """With the tool ``book``, which needs a date."""
    limits = Allowance(**allowance)
    rules = ArgumentRules({"type": "object", "required": ["date"]})
    return Toolbox(
        roll=Roll(lambda: [live]),
        built_in=BuiltIns(Hands(), frozenset(), limits),
        tools={"book": Tool(shop.run, rules, result)},
        allowance=limits,
        secrets=(SECRET,),
    )


def asking(name: str = "book", key: str = "", **arguments: Any) -> ToolCall:
    """A tool call with a date."""
    return ToolCall("support", name, {"date": "2026-02-15"} | arguments, {"tool_name": name}, key=key)


async def test_the_answer_comes_back(live: Live) -> None:
    """A tool learns whose call it is, and the agent gets what it answers."""
    shop = Shop()
    assert await toolbox(live, shop).asked(asking()) == {"booked": True}
    assert shop.asked[0][1].public() == {
        "call_id": "call_1",
        "phone_number": "+15550123456",
        "called_number": "+15550100",
        "direction": "inbound",
        "agent": "support",
    }


@pytest.mark.parametrize(
    ("answer", "result"),
    [({"booked": True}, "rescheduled"), ({"error": "It is taken."}, None), (ToolProblem("No.", kind="failed"), None)],
)
async def test_a_tool_that_was_answered_says_what_the_call_came_to(live: Live, answer: Any, result: str | None) -> None:
    """Where the configuration says so, and the business system did not refuse."""
    shop = Shop(answer)
    box = toolbox(live, shop, result="rescheduled")
    await box.asked(asking())
    assert live.record.detail.get("result") == result


async def test_an_unknown_tool_and_wrong_arguments_are_words(live: Live) -> None:
    """Neither reaches a business system."""
    shop = Shop()
    box = toolbox(live, shop)
    assert "no tool" in (await box.asked(asking("rm")))["error"]
    assert "missing" in (await box.asked(ToolCall("support", "book", {}, {})))["error"]
    assert shop.asked == []


async def test_the_same_tool_call_runs_once(live: Live) -> None:
    """A hundred copies of one tool call, at once and later, give one booking and the same answer."""
    shop = Shop()
    shop.hold = asyncio.Event()
    box = toolbox(live, shop)
    waiting = [asyncio.create_task(box.asked(asking(key="k1"))) for _ in range(100)]
    await asyncio.sleep(0)
    shop.hold.set()
    answers = await asyncio.gather(*waiting)
    assert answers == [{"booked": True}] * 100
    assert await box.asked(asking(key="k1")) == {"booked": True}
    assert len(shop.asked) == 1


async def test_a_failure_is_the_answer_to_its_copies_too(live: Live) -> None:
    """The second request with the same id learns of the first one's failure and does not run."""
    shop = Shop(ToolProblem("Nobody answers.", kind="failed"))
    box = toolbox(live, shop)
    assert [await box.asked(asking(key="k1")) for _ in range(2)] == [{"error": "Nobody answers."}] * 2
    assert len(shop.asked) == 1


async def test_how_long_it_took_is_told_and_noted(live: Live) -> None:
    """Of every tool call that was begun, once, with what became of it; the call's record has it too."""
    shop = Shop()
    box, told = toolbox(live, shop), []
    box.told = lambda name, outcome, seconds: told.append((name, outcome, seconds))
    await box.asked(asking(key="a"))
    await box.asked(asking(key="a"))
    shop.answer = ToolProblem("No.", kind="not_available")
    await box.asked(asking())
    await box.asked(asking("rm"))
    assert [each[:2] for each in told] == [("book", "ok"), ("book", "not_available")]
    assert all(seconds >= 0 for _, _, seconds in told)
    noted = [event for event in live.record.events if event["type"] == "tool_answered"]
    assert [event.get("failed") for event in noted] == [None, "not_available"]


async def test_a_storm_is_bounded(live: Live) -> None:
    """Of thousands of tool calls at once no more run than may at once, and no more in all than a call may have."""
    shop = Shop()
    shop.hold = asyncio.Event()
    box = toolbox(live, shop, at_once=4, tool_calls=10)
    waiting = [asyncio.create_task(box.asked(asking())) for _ in range(2000)]
    await asyncio.sleep(0)
    assert len(shop.asked) == 4
    shop.hold.set()
    answers = await asyncio.gather(*waiting)
    assert sum("error" in answer for answer in answers) == 1996
    for _ in range(20):
        await box.asked(asking())
    assert len(shop.asked) == 10
    assert box.refusal(live) != ""


async def test_every_answer_is_an_object(live: Live) -> None:
    """What a tool returns bare is wrapped."""
    assert await toolbox(live, Shop([1, 2])).asked(asking()) == {"result": [1, 2]}


@pytest.mark.parametrize("answer", [{"x": "a" * 70_000}, {"echo": f"Bearer {SECRET}"}, {"x": object()}])
async def test_an_answer_that_cannot_be_used_is_not_passed_on(live: Live, answer: Any) -> None:
    """Too much, one of our secrets, or no JSON at all: the agent gets words instead."""
    got = await toolbox(live, Shop(answer)).asked(asking())
    assert set(got) == {"error"}
    assert SECRET not in str(got)


@pytest.mark.parametrize("payload", [[], "x", {}, {"tool_name": 5}, {"tool_name": "book", "tool_args": [1]}])
def test_a_request_of_another_shape_is_explained(payload: Any) -> None:
    """Nothing but Kura's shape is taken."""
    with pytest.raises(ToolProblem):
        from_payload("support", payload)


def test_the_documented_request_is_understood() -> None:
    """Document 004, "Webhook Payload": the same request again has the same key, another time another one."""
    payload = {
        "tool_name": "book_appointment",
        "tool_args": {"customer_name": "John Smith", "date": "2026-02-15"},
        "assistant_id": 1,
        "timestamp": "2026-02-13T10:30:00.000Z",
    }
    call = from_payload("booking", payload)
    assert (call.name, call.arguments, call.payload) == ("book_appointment", payload["tool_args"], payload)
    assert call.key == from_payload("booking", dict(payload)).key
    assert call.key != from_payload("booking", payload | {"timestamp": "2026-02-13T10:30:01.000Z"}).key


def test_a_call_over_the_socket_has_the_same_shape() -> None:
    """Whichever way it came, a business system sees the same."""
    call = over_socket("support", e.RunTool("t1", "book", {"date": "x"}))
    assert call.payload == {"tool_name": "book", "tool_args": {"date": "x"}}
    assert call.key


class There:
    """Another instance with the only call."""

    def __init__(self) -> None:
        self.call = Elsewhere("call_9", "b", "support", "+15550199999")
        self.asked: list[tuple[str, str]] = []
        self.fails = False

    async def named(self, call_id: str) -> Elsewhere | None:
        """Of the store."""
        return self.call if call_id == "call_9" else None

    async def of(self, agent: str, quiet_s: float) -> tuple[list[Elsewhere], bool]:
        """Of the store."""
        return [self.call], False

    async def ask(self, call: ToolCall, there: Elsewhere) -> dict[str, Any]:
        """What it answers."""
        if self.fails:
            raise ToolProblem("It is gone.", kind="elsewhere")
        self.asked.append((call.name, there.instance))
        return {"booked": "there"}


async def test_a_call_on_another_instance_is_asked_there() -> None:
    """And its failure is one that the agent can use."""
    there, limits = There(), Allowance()
    box = Toolbox(
        roll=Roll(list, others=there),
        built_in=BuiltIns(Hands(), frozenset(), limits),
        tools={"book": Tool(Shop().run)},
        allowance=limits,
        ask_there=there.ask,
    )
    assert await box.asked(asking(call_id="call_9")) == {"booked": "there"}
    assert there.asked == [("book", "b")]
    there.fails = True
    assert await box.asked(asking(call_id="call_9")) == {"error": "It is gone."}


async def test_another_instance_asks_for_a_call_that_is_here(live: Live) -> None:
    """By our id and the agent that it is with; what is over is said so."""
    box = toolbox(live, Shop())
    assert await box.asked_from_elsewhere(asking(), "call_1") == {"booked": True}
    assert "over" in (await box.asked_from_elsewhere(asking(), "call_2"))["error"]
    live.record.agent = "other"
    assert "over" in (await box.asked_from_elsewhere(asking(), "call_1"))["error"]
