"""A bridge and a worker as processes, and people who answer: what the tests of whole campaigns share."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.standins.twilio import Carrier, Person, TwilioRest
from tests.standins.xuna import Xuna
from tests.support.house import ACCOUNT, API_KEY, PUBLIC, TOKEN

US = "+12125550100"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Processes:
    """The bridge and the worker, each killed and started again."""

    def __init__(self, config: Path, port: int) -> None:
        self.commands = {
            "bridge": ["serve", "--single", "--config", str(config), "--port", str(port)],
            "worker": ["worker", "--config", str(config)],
            "another": ["worker", "--config", str(config)],
        }
        self.running: dict[str, asyncio.subprocess.Process] = {}
        self.log = (config.parent / "processes.log").open("ab")

    async def start(self, name: str) -> None:
        """Start one."""
        self.running[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge", *self.commands[name], stdout=self.log, stderr=self.log
        )

    async def lose(self, *names: str) -> None:
        """kill -9."""
        for name in names:
            self.running[name].send_signal(signal.SIGKILL)
            await self.running[name].wait()

    async def kill(self, *names: str) -> None:
        """kill -9, and start again."""
        await self.lose(*names)
        for name in names:
            await self.start(name)

    async def end(self) -> None:
        """All of them."""
        for each in self.running.values():
            if each.returncode is None:
                each.kill()
            await each.wait()
        self.log.close()


def configuration(url: str, rest: TwilioRest, xuna: Xuna, *, rate: float, at_once: int) -> str:
    """Of the bridge and of the worker."""
    return f"""
public_url = "{PUBLIC}"
database_url = "{url}"
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
api_base_url = "{rest.url}"
timeout_s = 5
[api]
keys = ["{API_KEY}"]
[server]
worker = false
[limits]
loop_lag_ms = 0 # a machine that others use too must not turn people away
[agents.support]
provider = "xuna"
agent_id = "agent_1"
api_key = "{xuna.api_key}"
base_url = "{xuna.url}"
[[lines]]
number = "{US}"
agent = "support"
[outbound]
allowed_prefixes = ["+1"]
calls_per_second = {rate}
max_concurrent = {at_once}
daily_limit = 0
ring_timeout_s = 5
calling_hours = ["mon-sun 00:00-24:00"]
"""


async def people_talk(carrier: Carrier, rest: TwilioRest, busy: set[str], *, seconds: float) -> None:
    """Whoever answers hangs up after a while of talk; who was busy is not the next time."""
    since: dict[str, float] = {}
    while True:
        for call in list(carrier.calls):
            if call.over:
                if call.status == "busy" and call.to in busy:
                    busy.discard(call.to)
                    rest.people[call.to] = Person(rings=0.05)
            elif call.stream is not None and call.stream.started_at is not None:
                began = since.setdefault(call.sid, time.monotonic())
                if time.monotonic() - began > seconds:
                    await call.hang_up()
        await asyncio.sleep(0.05)


async def ask(http: aiohttp.ClientSession, method: str, url: str, body: Any = None) -> dict[str, Any]:
    """Of the operator API, what must be answered with 2xx; a store that is busy just now is asked again."""
    async with asyncio.timeout(120):
        while True:
            async with http.request(method, url, json=body) as answer:
                text = await answer.text()
            if answer.status != 503:
                assert answer.status < 300, text
                found: dict[str, Any] = json.loads(text)
                return found
            await asyncio.sleep(1)


async def up(http: aiohttp.ClientSession, base: str) -> None:
    """Wait until the bridge is alive."""
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{base}/healthz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


async def finished(http: aiohttp.ClientSession, campaign: str, *, within: float) -> dict[str, Any]:
    """How a campaign stands when it has ended."""
    status: dict[str, Any] = {}
    try:
        async with asyncio.timeout(within):
            while status.get("state") != "finished":
                await asyncio.sleep(0.5)
                with contextlib.suppress(aiohttp.ClientError):
                    status = await ask(http, "GET", campaign)
    except TimeoutError:
        pytest.fail(f"the campaign did not end: {status}")
    return status
