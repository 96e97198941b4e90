"""Calls on a bridge, without and with a campaign in the worker beside it: is the sound late? Run ``python -m bench.beside``.

Everybody whom the campaign calls is busy, so that what is measured is the worker's own work and the callbacks, and not
more calls. Rounds without and with alternate, so that what else runs on the machine is in both.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tomllib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bridge import settings as config
from bridge.assembly.engine import lines_of, policy_of
from bridge.bench.control import resident
from bridge.bench.figures import quantile
from bridge.bench.process import Report
from bridge.bench.run import SHAPES, Rig, rig
from bridge.store.campaigns import Campaign, CampaignStore, Target
from bridge.store.database import Database
from bridge.store.tables import micros
from tests.standins.twilio import Carrier, Person, TwilioRest

WARM_S = 3.0
OURS = "+12125550100"
TICK = os.sysconf("SC_CLK_TCK")


def _configuration(running: Rig, rest: TwilioRest, rate: float) -> Path:
    """Of the worker: the bridge's, with calls to place and somebody to place them with."""
    bridge = running.config.read_text()
    theirs = tomllib.loads(bridge)["carriers"]["twilio"]["api_base_url"]
    text = bridge.replace(f'api_base_url = "{theirs}"', f'api_base_url = "{rest.url}"', 1)
    text += f"""
[outbound]
allowed_prefixes = ["+1"]
caller_numbers = ["{OURS}"]
calls_per_second = {rate}
max_concurrent = 50
daily_limit = 0
calling_hours = ["mon-sun 00:00-24:00"]
"""
    file = running.config.with_name("worker.toml")
    file.write_text(text)
    file.chmod(0o600)
    return file


@contextlib.asynccontextmanager
async def _campaign(settings: config.Settings, people: int) -> AsyncIterator[None]:
    """A campaign that runs, and is paused at the end."""
    database = Database(settings.database_url)
    store = CampaignStore(database)
    now = datetime.now(UTC)
    policy = policy_of(settings, lines_of(settings))
    name = f"camp_{micros(now):024x}"
    rules = {"from": [policy.default_caller()], "max_failure_rate": 1.0, "max_attempts": 1}
    targets = [
        Target(position=at, number=f"+1212{2_500_000 + at}", document={"zones": ["America/New_York"]})
        for at in range(1, people + 1)
    ]
    await store.create(Campaign(campaign_id=name, name="bench", rules=rules, created_at=now), targets)
    await store.move(name, to="running", only_from=("draft",), now=now)
    try:
        yield
    finally:
        await store.move(name, to="paused", only_from=("running",), now=datetime.now(UTC))
        await database.close()


async def one_round(running: Rig, seconds: float) -> Report:
    """How the bridge was meanwhile; ``running.load`` has how the sound was."""
    await asyncio.sleep(WARM_S)
    running.load.up.latencies.clear()
    running.load.down.latencies.clear()
    await running.bridge.report(reset=True)
    async with running.load.measuring():
        await asyncio.sleep(seconds)
    return await running.bridge.report()


def show(name: str, report: Report, running: Rig) -> None:
    """A row: how late the loop was, and the sound; what was lost."""
    up, down = running.load.up, running.load.down
    late = [*up.latencies, *down.latencies]
    lost = up.lost + down.lost + up.repeated + down.repeated + up.changed + down.changed
    lags = quantile(report.lags, 0.5), quantile(report.lags, 0.99), max(report.lags, default=0)
    sound = quantile(late, 0.99), max(late, default=0)
    cells = "".join(f"{seconds * 1000:>10.2f}" for seconds in (*lags, *sound))
    print(f"{name:<22}{cells}{lost:>6}", flush=True)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def main(args: argparse.Namespace) -> int:
    """The table."""
    print(f"{args.calls} calls, agent {args.agent}; {args.rounds} rounds of {args.seconds:g} s each way; ms")
    print(f"{'':<22}{'lag p50':>10}{'p99':>10}{'max':>10}{'sound p99':>10}{'max':>10}{'lost':>6}")
    all_cores = os.sched_getaffinity(0)
    async with rig(SHAPES[args.agent]) as running:
        await running.bridge.watch()
        await running.load.begin_many(args.calls)
        twilio = tomllib.loads(running.config.read_text())["carriers"]["twilio"]
        carrier = Carrier(
            public_url=running.bridge.url, auth_token=twilio["auth_token"], account_sid=twilio["account_sid"]
        )
        async with carrier, TwilioRest(carrier) as rest:
            rest.numbers = None
            rest.dialler.anyone = Person("busy", rings=1.0)
            file = _configuration(running, rest, args.rate)
            settings = config.Settings.load(file, {})
            command = [sys.executable, "-m", "bridge", "worker", "--config", str(file), "--parent", str(os.getpid())]
            worker = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
            os.sched_setaffinity(worker.pid, all_cores)
            try:
                for _ in range(args.rounds):
                    before = await running.bridge.report()
                    alone = await one_round(running, args.seconds)
                    show("without a campaign", alone, running)
                    dials, cpu = len(carrier.calls), _cpu(worker.pid)
                    async with _campaign(settings, 10_000):
                        began = await running.bridge.report()
                        report = await one_round(running, args.seconds)
                    span = args.seconds + WARM_S
                    show("with one", report, running)
                    print(
                        f"  the bridge: {(alone.cpu_s - before.cpu_s) / span * 100:.1f} % of a core without, "
                        f"{(report.cpu_s - began.cpu_s) / span * 100:.1f} % with; "
                        f"the campaign: {(len(carrier.calls) - dials) / span:.1f} calls/s, the worker: "
                        f"{(_cpu(worker.pid) - cpu) / span * 100:.0f} % of a core, {resident(worker.pid) / 1e6:.0f} MB"
                    )
            finally:
                worker.terminate()
                await worker.wait()
            await carrier.settled(timeout=30)
        await running.load.end_all()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="calls on the bridge (%(default)s)")
    parser.add_argument("--rate", type=float, default=5.0, help="calls a second of the campaign (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of one round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind (%(default)s)")
    parser.add_argument("--agent", choices=tuple(SHAPES), default="16k")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(parser.parse_args())))
