"""The clinic's reminders (``config/examples/clinic``) as its page tells to run them: real processes, a stand-in for Twilio."""

import asyncio
import contextlib
import csv
import io
import os
import secrets
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bridge.agents.demo.server import DemoServer
from bridge.cli.clinic import EXAMPLE, calendar_at
from tests.standins.twilio import Carrier, Person, TwilioRest
from tests.support.campaign import free_port, up
from tests.support.house import ACCOUNT, API_KEY, PUBLIC, TOKEN

ANN, BEN = "+15550123456", "+15550123457"
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@dataclass
class Clinic:
    """What runs."""

    carrier: Carrier
    rest: TwilioRest
    calendar: Path
    environ: dict[str, str]

    async def campaign(self, *arguments: str) -> str:
        """What ``callbridge campaign`` prints."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge", "campaign", *arguments, env=self.environ, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            told, _ = await process.communicate()
        assert process.returncode == 0, told.decode()
        return told.decode()


@contextlib.asynccontextmanager
async def served(environ: dict[str, str], port: int, log: Path) -> AsyncIterator[None]:
    """The bridge with its worker, as the page starts it."""
    with log.open("wb") as out:
        command = ["-m", "bridge", "serve", "--config", str(EXAMPLE / "bridge.toml"), "--port", str(port)]
        process = await asyncio.create_subprocess_exec(sys.executable, *command, env=environ, stdout=out, stderr=out)
        try:
            async with aiohttp.ClientSession() as http:
                await up(http, f"http://127.0.0.1:{port}")
            yield
        finally:
            process.terminate()
            async with asyncio.timeout(60):
                assert await process.wait() == 0, f"see {log}"


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    """All of it; people are called at any hour, since the test runs at any."""
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(DemoServer())
        calendar = await stack.enter_async_context(calendar_at(tmp_path / "calendar.db", SECRET))
        carrier = await stack.enter_async_context(Carrier(public_url=PUBLIC, address=f"127.0.0.1:{port}"))
        rest = await stack.enter_async_context(TwilioRest(carrier))
        environ = {
            **os.environ,
            "PUBLIC_URL": PUBLIC,
            "DATABASE_URL": f"sqlite:///{tmp_path}/bridge.db",
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_API_URL": rest.url,
            "KURA_API_KEY": server.api_key,
            "KURA_URL": server.base_url,
            "CLINIC_NUMBER": "+15550100",
            "CLINIC_TOOLS_KEY": secrets.token_urlsafe(18),
            "CLINIC_SECRET": SECRET,
            "CALENDAR_URL": calendar,
            "BRIDGE_API_KEY": API_KEY,
            "BRIDGE_URL": f"http://127.0.0.1:{port}",
            "BRIDGE_OUTBOUND__CALLING_HOURS": '["mon-sun 00:00-24:00"]',
        }
        await stack.enter_async_context(served(environ, port, tmp_path / "bridge.log"))
        yield Clinic(carrier, rest, tmp_path / "calendar.db", environ)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_everybody_is_reminded_and_the_calendar_learns_of_it(clinic: Clinic) -> None:
    """Preview, create, start, results: each person hears who calls and then the assistant, who knows what it is about."""
    people = str(EXAMPLE / "reminders.csv")
    assert "2 will be called, 0 skipped" in await clinic.campaign("preview", people, "--name", "reminders")
    clinic.rest.people[ANN] = clinic.rest.people[BEN] = Person(rings=0.1)
    made = await clinic.campaign("create", people, "--name", "reminders", "--start")
    campaign_id = made.split()[0]
    await clinic.carrier.pulse.until(lambda: len(clinic.carrier.calls) == 2, "both to be called", timeout=60)
    for call in clinic.carrier.calls:
        await call.streaming(timeout=30)
        await call.hears(1.0)
        assert call.said == ["This is the automatic assistant of the clinic."]
        await call.hang_up()
    async with asyncio.timeout(60):
        while "state=finished" not in (status := await clinic.campaign("status", campaign_id)):
            await asyncio.sleep(0.5)
    assert "done:2" in status
    results = list(csv.DictReader(io.StringIO(await clinic.campaign("results", campaign_id))))
    assert {(each["number"], each["result"], each["calls"]) for each in results} == {
        (f"'{ANN}", "talked", "1"),
        (f"'{BEN}", "talked", "1"),
    }

    def learned() -> set[str]:
        with contextlib.closing(sqlite3.connect(clinic.calendar)) as database:
            return {call_id for (call_id,) in database.execute("SELECT call_id FROM calls")}

    async with asyncio.timeout(30):
        while learned() != {each["call_id"] for each in results}:
            await asyncio.sleep(0.1)
