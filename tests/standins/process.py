"""A stand-in as a process of its own: says where it listens, runs until told to stop, then reports."""

import asyncio
import contextlib
import json
import signal
import sys
from typing import Any

from .agent import AgentSession, AgentStandIn
from .web import StandIn


async def talk(session: AgentSession) -> None:
    """A session that greets with a tone and answers each second of the caller with half a second of its own."""
    await session.say(1.0, text="Hello! How can I help you today?", speed=1.5)
    while not session.closed:
        with contextlib.suppress(AssertionError):
            await session.heard(1.0, timeout=60)
            await session.say(0.5, text="I see.", speed=1.5)


async def serve(standin: StandIn) -> int:
    """Serve until SIGTERM or SIGINT; the exit code is 1 where a violation was seen."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if isinstance(standin, AgentStandIn) and standin.on_session is None:
        standin.on_session = talk
    await standin.__aenter__()
    say({"listening": standin.url})
    await stop.wait()
    await standin.__aexit__(Exception, Exception("stopped"), None)
    say({"violations": standin.violations})
    return 1 if standin.violations else 0


def say(line: dict[str, Any]) -> None:
    """One JSON line on stdout."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
