"""A campaign whose worker and bridge are killed again and again: nobody is forgotten, nobody is dialled twice."""

import asyncio
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.standins.twilio import Carrier, Person, TwilioRest
from tests.standins.xuna import Xuna
from tests.store.pooler import Pooler, pgbouncer
from tests.support.campaign import US, Processes, ask, configuration, finished, free_port, people_talk, up
from tests.support.house import API_KEY, PUBLIC

PEOPLE = int(os.environ.get("KILL_PEOPLE", "60"))
KILLS = int(os.environ.get("KILL_TIMES", "4"))
RATE = float(os.environ.get("KILL_RATE", "5"))
AT_ONCE = int(os.environ.get("KILL_AT_ONCE", "10"))
TALK_S = float(os.environ.get("KILL_TALK", "0.5"))


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
        config.write_text(configuration(url, rest, xuna, rate=RATE, at_once=AT_ONCE))
        processes = Processes(config, port)
        base = f"http://127.0.0.1:{port}"
        talk = asyncio.create_task(people_talk(carrier, rest, busy, seconds=TALK_S))
        try:
            await processes.start("bridge")
            await up(http, base)
            await processes.start("worker")
            rules = {"retry_on": ["busy"], "retry_delay_s": 1, "max_failure_rate": 1.0}
            body = {"rules": rules, "people": [{"number": each, "zone": "America/New_York"} for each in numbers]}
            made = await ask(http, "POST", f"{base}/api/v1/campaigns", body)
            campaign = f"{base}/api/v1/campaigns/{made['campaign_id']}"
            began = time.monotonic()
            await ask(http, "POST", f"{campaign}/start", {})
            span = PEOPLE * 1.2 / RATE
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.4, 1.2) * span / KILLS)
                await processes.kill(*chance.choice([("worker",), ("worker",), ("bridge",), ("worker", "bridge")]))
            status = await finished(http, campaign, within=PEOPLE * 1.2 * max(1 / RATE, TALK_S / AT_ONCE) + 240)
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


@pytest.fixture(params=["sqlite", *(pytest.param(name, marks=pytest.mark.postgresql) for name in ("server", "pooler"))])
async def shared(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database that several workers share: also one behind PgBouncer in transaction mode."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/calls.db"
        return
    server = request.getfixturevalue("server")
    name = f"t{uuid.uuid4().hex}"
    await server.execute(f"CREATE DATABASE {name}")
    if request.param == "server":
        yield server.url(name)
    else:
        with Pooler(pgbouncer(), server, folder=server.folder / name, size=10) as port:
            yield server.url(name).replace(f":{server.port}/", f":{port}/") + "?pgbouncer=true"
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_a_worker_leaves_is_taken_over_by_another(shared: str, tmp_path: Path) -> None:
    """A worker that is killed in the middle of its dials and never comes back: the other one settles its calls, and goes on."""
    numbers = [f"+1212555{number:04d}" for number in range(1000, 1012)]
    port = free_port()
    async with (
        Xuna() as xuna,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{port}") as carrier,
        TwilioRest(carrier) as rest,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {API_KEY}"}) as http,
    ):
        rest.numbers = {US}
        rest.people.update({each: Person(rings=0.05) for each in numbers})
        config = tmp_path / "bridge.toml"
        config.write_text(configuration(shared, rest, xuna, rate=20, at_once=4))
        processes = Processes(config, port)
        base = f"http://127.0.0.1:{port}"
        try:
            await processes.start("bridge")
            await up(http, base)
            await processes.start("worker")
            body = {"people": [{"number": each, "zone": "America/New_York"} for each in numbers]}
            made = await ask(http, "POST", f"{base}/api/v1/campaigns", body)
            campaign = f"{base}/api/v1/campaigns/{made['campaign_id']}"
            rest.fault("create_call", hang=True, serve_first=True, times=2)  # two dials of which the answer never comes
            await ask(http, "POST", f"{campaign}/start", {})
            await carrier.pulse.until(lambda: len(carrier.calls) >= 4, "all places to be taken", timeout=60)
            await processes.start("another")
            await processes.lose("worker")
            lost, left = time.monotonic(), list(carrier.calls)
            talk = asyncio.create_task(people_talk(carrier, rest, set(), seconds=0.2))
            status: dict[str, Any] = {}
            while status.get("states", {}).get("done", 0) < len(left):
                assert time.monotonic() - lost < 90, status
                await asyncio.sleep(0.2)
                status = await ask(http, "GET", campaign)
            settled = time.monotonic() - lost
            status = await finished(http, campaign, within=60)
            talk.cancel()
        finally:
            await processes.end()
        print(
            f"\ntaken over: {len(left)} calls settled {settled:.0f} s after their worker was lost, {status['results']}"
        )
        assert status["states"] == {"done": len(numbers)}
        assert max(Counter(call.to for call in carrier.calls).values()) == 1
        carrier.violations.clear()
