"""A bridge with a strict XUNA, a strict Twilio with its REST API, and a client of the operator API."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bridge.app import House
from tests.standins import sound
from tests.standins.twilio import Carrier
from tests.standins.twilio.call import PhoneCall
from tests.standins.twilio.rest import TwilioRest
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession
from tests.support.house import API_KEY, PUBLIC, TOKEN, configuration, running

VIEWER = "viewer-key-0123456789"


@dataclass
class Reply:
    """What the bridge answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


@dataclass
class Deployment:
    """Everything that a test of the operator API needs."""

    house: House
    carrier: Carrier
    rest: TwilioRest
    xuna: Xuna
    http: aiohttp.ClientSession

    async def talking(self) -> tuple[PhoneCall, XunaSession]:
        """A call that has heard its agent's first words."""
        call = await self.carrier.call()
        session = await self.xuna.session()
        await call.streaming()
        await session.say(sound.tone(0.3, rate=16000), text="Hello!")
        await call.hears(0.2)
        return call, session

    async def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = API_KEY,
        body: Any = None,
        headers: dict[str, str] | None = None,
        house: House | None = None,
    ) -> Reply:
        """One request to the bridge."""
        sent = {} if key is None else {"Authorization": f"Bearer {key}"}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        url = f"http://127.0.0.1:{(house or self.house).port}{path}"
        async with self.http.request(
            method, url, data=data, headers=sent | (headers or {}), allow_redirects=False
        ) as response:
            return Reply(response.status, response.headers.copy(), await response.text())


def support(xuna: Xuna, *, more: str = "") -> str:
    """The table of an agent that is this stand-in."""
    return (
        f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\n'
        f'base_url = "{xuna.url}"\n{more}\n'
    )


def settled(folder: Path, xuna: Xuna, rest_url: str, *, more: str = "", agent: str = "") -> str:
    """The configuration of such a deployment."""
    text = configuration(folder, support(xuna, more=agent), more=more)
    text = text.replace("http://127.0.0.1:9", rest_url)
    keys = f'keys = ["{API_KEY}", {{ key = "{VIEWER}", role = "viewer", name = "looker" }}]'
    return text.replace(f'keys = ["{API_KEY}"]', keys)


@contextlib.asynccontextmanager
async def deployed(
    folder: Path,
    *,
    more: str = "",
    agent: str = "",
    xuna: Xuna | None = None,
    auth_token: str = TOKEN,
    worker: bool = False,
) -> AsyncIterator[Deployment]:
    """All of it, running; with a ``worker`` where somebody is to be called."""
    async with contextlib.AsyncExitStack() as stack:
        xuna = await stack.enter_async_context(xuna or Xuna())
        carrier = Carrier(public_url=PUBLIC, auth_token=auth_token)
        rest = await stack.enter_async_context(TwilioRest(carrier))
        text = settled(folder, xuna, rest.url, more=more, agent=agent).replace(f'"{TOKEN}"', f'"{auth_token}"')
        house = await stack.enter_async_context(running(folder, text, worker=worker))
        carrier._hosts["bridge.example.com"] = f"127.0.0.1:{house.port}"
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await stack.enter_async_context(carrier)
        yield Deployment(house, carrier, rest, xuna, http)
