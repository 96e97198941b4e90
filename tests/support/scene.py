"""The usual cast of an end-to-end test: a carrier, its REST API, a bridge, a XUNA agent, a Kura assistant; all on loopback."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from bridge.app import House
from bridge.call.record import CallRecord
from bridge.errors import StoreUnavailable
from tests.standins.kura import Kura
from tests.standins.twilio import Carrier
from tests.standins.twilio.call import PhoneCall
from tests.standins.twilio.rest import TwilioRest
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession
from tests.support import canary as canaries
from tests.support import promises
from tests.support.canary import Canary
from tests.support.house import PUBLIC, configuration, running

LINE = '[[lines]]\nnumber = "*"\nagent = "support"\n'


class Identified(Protocol):
    """A call of the carrier's, followed or only offered."""

    sid: str


@dataclass
class Scene:
    """Who is there."""

    house: House
    carrier: Carrier
    rest: TwilioRest
    xuna: Xuna
    kura: Kura
    backup: Xuna
    quiet_s: float = promises.SILENCE_S  # S1: a test in which nobody speaks for longer on purpose says so
    record_s: float = promises.RECORD_S  # S4: from the end of a call to its terminal record
    canary: Canary | None = None

    async def talking(self, **call: object) -> tuple[PhoneCall, XunaSession]:
        """A call whose stream is up and whose agent is ready."""
        placed = await self.carrier.call(**call)  # type: ignore[arg-type]
        session = await self.xuna.session()
        await placed.streaming()

        async def admitted() -> bool:
            live = self.house.switchboard.find(placed.sid)
            return live is not None and live.record.started_at is not None

        await eventually(admitted, "an admitted stream")
        return placed, session

    async def record(self, call: Identified, *, timeout: float = 4.0) -> CallRecord:
        """The stored account of a call that is over."""
        found: CallRecord | None = None

        async def terminal() -> bool:
            nonlocal found
            try:
                found = await self.house.calls.get(call.sid)
            except StoreUnavailable:
                return False
            return found is not None and found.status.terminal

        await eventually(terminal, "a terminal record", timeout=timeout)
        assert found is not None
        return found

    async def idle(self, *, timeout: float = 4.0) -> None:
        """Until the bridge has no call any more."""

        async def none() -> bool:
            return self.house.switchboard.active == (0 if self.canary is None else 1)

        await eventually(none, "an idle switchboard", timeout=timeout)

    async def get_refused(self, *, timeout: float = 10.0) -> float:
        """Until nobody listens any more; how long that took, in seconds."""
        began = time.monotonic()

        async def refused() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.house.port)
            except OSError:
                return True
            writer.close()
            return False

        await eventually(refused, "the process to stop listening", timeout=timeout)
        return time.monotonic() - began

    async def get(self, path: str) -> tuple[int, str]:
        """What a path answers."""
        url = f"http://127.0.0.1:{self.house.port}{path}"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return answer.status, await answer.text()


async def eventually(so: Callable[[], object], what: str, *, timeout: float = 5.0) -> None:
    """Return when ``await so()`` is true; AssertionError naming ``what`` otherwise."""
    deadline = time.monotonic() + timeout
    while not await so():  # type: ignore[misc]
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what}")
        await asyncio.sleep(0.02)


def xuna_toml(xuna: Xuna, name: str = "support", more: str = "") -> str:
    """A XUNA agent as the configuration has it."""
    return (
        f'[agents.{name}]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\n'
        f'base_url = "{xuna.url}"\n{more}\n'
    )


def kura_toml(kura: Kura, name: str = "booking", more: str = "") -> str:
    """A Kura assistant as the configuration has it."""
    key = next(iter(kura.keys))
    return f'[agents.{name}]\nprovider = "kura"\nassistant_id = 1\napi_key = "{key}"\nbase_url = "{kura.url}"\n{more}\n'


def reserved() -> socket.socket:
    """A port of our own: bound, so that nobody else gets it, and not listening yet."""
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    return found


@contextlib.asynccontextmanager
async def scene(
    folder: Path,
    *,
    agent: str = "",
    lines: str = LINE,
    more: str = "",
    xuna: Xuna | None = None,
    carrier_address: str | None = None,
    agents: Callable[["Scene"], str] | None = None,
    listener: socket.socket | None = None,
    canary: bool = False,
) -> AsyncIterator[Scene]:
    """The cast: ``support`` is XUNA (with ``agent`` among its keys), ``second`` another XUNA, ``booking`` is Kura.

    ``carrier_address`` puts something between the carrier and the bridge, which listens on ``listener``. Beside it all
    sings a ``canary``, where there is to be one. At the end the standing rules are held over every call (promises.py).
    """
    listener = listener or reserved()
    port = listener.getsockname()[1]
    async with contextlib.AsyncExitStack() as stack:
        cast_xuna = await stack.enter_async_context(xuna or Xuna())
        backup = await stack.enter_async_context(Xuna())
        kura = await stack.enter_async_context(Kura())
        cage = await stack.enter_async_context(Xuna(init_within=10.0, pong_within=10.0)) if canary else None
        carrier = await stack.enter_async_context(
            Carrier(public_url=PUBLIC, address=carrier_address or f"127.0.0.1:{port}")
        )
        rest = await stack.enter_async_context(TwilioRest(carrier))
        people = xuna_toml(cast_xuna, more=agent) + xuna_toml(backup, "second") + kura_toml(kura)
        if cage is not None:
            people += xuna_toml(cage, "canary")
            lines += canaries.LINE
        text = configuration(folder, people, lines=lines, more=more, rest_url=rest.url)
        house = await stack.enter_async_context(running(folder, text, listener=listener))
        cast = Scene(house, carrier, rest, cast_xuna, kura, backup)
        if cage is not None:
            cast.canary = await Canary.placed(carrier, cage)
        try:
            yield cast
            if cast.canary is not None:
                await cast.canary.sang()
        finally:
            for call in carrier.calls:
                await call.hang_up()
            if cast.canary is not None:
                await cast.canary.gone()
        await promises.hold(cast)
    promises.behind(folder, [cast.xuna.api_key, *cast.kura.keys])
