"""bridge/tools/python.py."""

import asyncio
import sys
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import ConfigurationError
from bridge.tools.asking import About, ToolCall, ToolProblem
from bridge.tools.python import PythonTool, load, rules, tool

from . import shop

ABOUT = About("call_1", "+15550123456", "+15550100", "inbound", "support")


@pytest.fixture
def tools() -> Iterator[dict[str, PythonTool]]:
    """Those of the shop."""
    with ThreadPoolExecutor(2, thread_name_prefix="tool") as threads:
        yield load([shop.__name__], threads)
        shop.RELEASE.set()


async def run(each: PythonTool, **arguments: Any) -> Any:
    """The answer, or the kind of the problem."""
    try:
        return await each.run(ToolCall("support", each.name, arguments, {}), ABOUT)
    except ToolProblem as problem:
        return f"{problem.kind}: {problem}"


async def test_a_function_is_a_tool_with_its_types_as_the_schema(tools: dict[str, PythonTool]) -> None:
    """Marked functions only; what they return becomes JSON; the call is theirs to know."""
    assert set(tools) == {"opening_hours", "reserve", "broken", "slow"}
    assert await run(tools["opening_hours"], day="today", call_id="x") == {"day": "today", "opens": "9:00 for call_1"}
    checks = rules(tools)
    for name, arguments in [
        ("opening_hours", {"day": "never"}),
        ("opening_hours", {}),
        ("reserve", {"people": 9}),
        ("reserve", {"people": "2"}),
        ("reserve", {"people": 2, "vip": True}),
    ]:
        with pytest.raises(ToolProblem):
            checks[name].check(arguments)
    checks["reserve"].check({"people": 2, "call_id": "x"})


async def test_a_blocking_tool_does_not_stop_the_loop(tools: dict[str, PythonTool]) -> None:
    """It runs in a thread while everything else goes on."""
    shop.RELEASE.clear()
    waiting = asyncio.create_task(run(tools["reserve"], people=2))
    assert (await run(tools["opening_hours"], day="today"))["day"] == "today"
    assert not waiting.done()
    shop.RELEASE.set()
    assert str(await waiting).startswith("2 for guest in tool")


async def test_an_error_stays_inside(tools: dict[str, PythonTool], capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the agent nor the log gets its text."""
    assert await run(tools["broken"]) == "failed: That could not be done just now."
    assert "Elizabeth" not in capsys.readouterr().out


async def test_a_slow_tool_is_given_up(tools: dict[str, PythonTool]) -> None:
    """At its time limit."""
    assert str(await run(replace(tools["slow"], timeout_s=0.01))).startswith("timeout")


def test_mistakes_are_found_at_the_start() -> None:
    """No such module, none with tools, an argument without a type: all are told at once."""
    bad = types.ModuleType("bad_tools")

    def untyped(day) -> None:  # type: ignore[no-untyped-def]
        """No type."""

    bad.untyped = tool(untyped)  # type: ignore[attr-defined]
    sys.modules["bad_tools"] = bad
    with ThreadPoolExecutor(1) as threads, pytest.raises(ConfigurationError) as caught:
        load(["no_such_module_here", "bad_tools", "json"], threads)
    del sys.modules["bad_tools"]
    assert len(caught.value.mistakes) == 3
