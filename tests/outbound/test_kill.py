"""A campaign whose worker and bridge are killed again and again: nobody is forgotten, nobody is dialled twice."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.standins.twilio import Carrier, Person, TwilioRest
from tests.standins.xuna import Xuna
from tests.support.house import ACCOUNT, API_KEY, PUBLIC, TOKEN

PEOPLE = int(os.environ.get("KILL_PEOPLE", "60"))
KILLS = int(os.environ.get("KILL_TIMES", "4"))
RATE = float(os.environ.get("KILL_RATE", "5"))
AT_ONCE = int(os.environ.get("KILL_AT_ONCE", "10"))
TALK_S = float(os.environ.get("KILL_TALK", "0.5"))
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
        }
        self.running: dict[str, asyncio.subprocess.Process] = {}
        self.log = (config.parent / "processes.log").open("ab")

    async def start(self, name: str) -> None:
        """Start one."""
        self.running[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge", *self.commands[name], stdout=self.log, stderr=self.log
        )

    async def kill(self, *names: str) -> None:
        """kill -9, and start again."""
        for name in names:
            self.running[name].send_signal(signal.SIGKILL)
            await self.running[name].wait()
        for name in names:
            await self.start(name)

    async def end(self) -> None:
        """All of them."""
        for each in self.running.values():
            if each.returncode is None:
                each.kill()
            await each.wait()
        self.log.close()


def configuration(url: str, rest: TwilioRest, xuna: Xuna) -> str:
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
calls_per_second = {RATE}
max_concurrent = {AT_ONCE}
daily_limit = 0
ring_timeout_s = 5
calling_hours = ["mon-sun 00:00-24:00"]
"""


async def people_talk(carrier: Carrier, rest: TwilioRest, busy: set[str]) -> None:
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
                if time.monotonic() - began > TALK_S:
                    await call.hang_up()
        await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_nobody_is_forgotten_and_nobody_dialled_twice(url: str, tmp_path: Path) -> None:
    """Of every person there is one outcome in the end, and of every attempt at most one dial, whatever was killed when."""
    chance = random.Random(20)
    numbers = [f"+1212555{number:04d}" for number in range(1000, 1000 + PEOPLE)]
    busy = set(chance.sample(numbers, PEOPLE // 5))
    port = free_port()
    async with (
        Xuna() as xuna,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{port}") as carrier,
        TwilioRest(carrier) as rest,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {API_KEY}"}) as http,
    ):
        rest.numbers = {US}
        rest.people.update({each: Person("busy" if each in busy else "answer", rings=0.05) for each in numbers})
        config = tmp_path / "bridge.toml"
        config.write_text(configuration(url, rest, xuna))
        processes = Processes(config, port)
        base = f"http://127.0.0.1:{port}"
        talk = asyncio.create_task(people_talk(carrier, rest, busy))
        try:
            await processes.start("bridge")
            await _up(http, base)
            await processes.start("worker")
            rules = {"retry_on": ["busy"], "retry_delay_s": 1, "max_failure_rate": 1.0}
            body = {"rules": rules, "people": [{"number": each, "zone": "America/New_York"} for each in numbers]}
            made = await _ask(http, "POST", f"{base}/api/v1/campaigns", body)
            campaign = f"{base}/api/v1/campaigns/{made['campaign_id']}"
            began = time.monotonic()
            await _ask(http, "POST", f"{campaign}/start", {})
            span = PEOPLE * 1.2 / RATE
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.4, 1.2) * span / KILLS)
                await processes.kill(*chance.choice([("worker",), ("worker",), ("bridge",), ("worker", "bridge")]))
            status = await _finished(http, campaign, base)
            took = time.monotonic() - began
        finally:
            talk.cancel()
            await processes.end()
        dials = Counter(
            parse_qs(urlsplit(parse_qs(seen.body.decode())["Url"][0]).query)["call"][0]
            for seen in rest.seen("create_call")
        )
        calls = Counter(call.to for call in carrier.calls)
        print(
            f"\nkill test on {url.split(':', maxsplit=1)[0]}: {PEOPLE} people, {KILLS} kills, {len(carrier.calls)} calls, "
            f"{took:.0f} s, peak {rest.dialler.peak_live} at once, most in a second {rest.dialler.most_within()}, "
            f"results {status['results']}"
        )
        assert status["states"] == {"done": PEOPLE}
        assert sum(status["results"].values()) == PEOPLE
        assert max(dials.values()) == 1, [each for each, count in dials.items() if count > 1]
        assert max(calls.values()) <= 2
        assert sum(count == 2 for count in calls.values()) <= PEOPLE // 5
        carrier.violations.clear()  # a killed process answers nothing: that is what the test is about


async def _ask(http: aiohttp.ClientSession, method: str, url: str, body: Any = None) -> dict[str, Any]:
    async with http.request(method, url, json=body) as answer:
        text = await answer.text()
        assert answer.status < 300, text
        found: dict[str, Any] = json.loads(text)
        return found


async def _up(http: aiohttp.ClientSession, base: str) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{base}/healthz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


async def _finished(http: aiohttp.ClientSession, campaign: str, base: str) -> dict[str, Any]:
    status: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PEOPLE * 1.2 * max(1 / RATE, TALK_S / AT_ONCE) + 240):
            while status.get("state") != "finished":
                await asyncio.sleep(0.5)
                with contextlib.suppress(aiohttp.ClientError):
                    status = await _ask(http, "GET", campaign)
    except TimeoutError:
        pytest.fail(f"the campaign did not end: {status}")
    return status
