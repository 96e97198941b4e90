"""A whole bridge on loopback, in this process, for end-to-end tests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from bridge.app import House
from bridge.assembly.worker import name, work
from bridge.settings import Settings

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://bridge.example.com"
API_KEY = "operator-key-0123456789"
NOWHERE = "http://127.0.0.1:9"  # the discard port: connections are refused


def configuration(folder: Path, agents: str, *, lines: str = "", more: str = "", rest_url: str = NOWHERE) -> str:
    """TOML for a bridge with these agents; the first one answers every number unless ``lines`` says otherwise."""
    first = agents.split("[agents.", 1)[1].split("]", 1)[0]
    return f"""
public_url = "{PUBLIC}"
database_url = "sqlite:///{folder}/calls.db"
{more if not more.lstrip().startswith("[") else ""}
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
api_base_url = "{rest_url}"
timeout_s = 1
{more if more.lstrip().startswith("[") else ""}
[api]
keys = ["{API_KEY}"]
{agents}
{lines or f'[[lines]]{chr(10)}number = "*"{chr(10)}agent = "{first}"'}
"""


@contextlib.asynccontextmanager
async def running(
    folder: Path, text: str, *, listener: socket.socket | None = None, worker: bool = False
) -> AsyncIterator[House]:
    """The bridge of this configuration, listening (on ``listener``, where one is bound already); drained at the end.

    ``worker``: beside it, in this process too, one that dials.
    """
    file = folder / "bridge.toml"
    file.write_text(text)
    house = House(Settings.load(str(file), {}), host="127.0.0.1", port=0)
    task = asyncio.create_task(house.serve(None if listener is None else [listener]))
    started = asyncio.create_task(house.started.wait())
    await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        started.cancel()
        task.result()
    stop = asyncio.Event()
    if worker:
        import bridge.outbound.runs  # noqa: F401  # it takes a second, in which nothing else in this process would go on
    working = asyncio.create_task(work(house.settings, stop, owner=name(), last=lambda: True)) if worker else None
    try:
        yield house
    finally:
        stop.set()
        if working is not None:
            await working
        if not task.done() and not house.switchboard.draining:
            house.stop()
        async with asyncio.timeout(20):
            await task
