"""A module of tools, as a user would write it."""

import asyncio
import threading
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from bridge.tools.python import Call, tool

RELEASE = threading.Event()


@dataclass
class Hours:
    """An answer of a type of its own."""

    day: str
    opens: str


@tool
async def opening_hours(day: Literal["today", "tomorrow"], call: Call) -> Hours:
    """When the shop is open."""
    return Hours(day, f"9:00 for {call.call_id}")


@tool
def reserve(people: Annotated[int, msgspec.Meta(ge=1, le=8)], name: str = "guest") -> str:
    """Blocks, as code that was written for something else does."""
    RELEASE.wait(5)
    return f"{people} for {name} in {threading.current_thread().name}"


@tool
async def broken() -> None:
    """Fails with what the caller said in the error's text."""
    raise RuntimeError("my name is Elizabeth")


@tool
async def slow() -> None:
    """Never answers."""
    await asyncio.Event().wait()


def helper() -> None:
    """No tool."""
