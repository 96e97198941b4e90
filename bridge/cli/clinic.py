"""``callbridge demo clinic``: an appointment booked by phone, end to end, in the calendar's own database."""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import os
import secrets
import sqlite3
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from bridge.agents.demo.server import DemoServer
from bridge.agents.demo.voice import Voice
from bridge.app import House
from bridge.audio import wav
from bridge.call.record import CallRecord
from bridge.cli.demo import Transcript, listen
from bridge.phone.command import show, summary
from bridge.phone.options import ACCOUNT_SID, PhoneOptions
from bridge.phone.script import demonstration
from bridge.phone.simulated import SimulatedPhone
from bridge.settings import Settings

EXAMPLE: Final = Path(__file__).parents[2] / "config" / "examples" / "clinic"
AGREED: Final = "Thursday at half past ten it is"  # what the demo's assistant says when the caller has chosen
THURSDAY: Final = 3
START_S: Final = 15.0
ANSWER_S: Final = 15.0


class Platform:
    """In place of Kura's: when its assistant decides to book, it calls the webhook that it was configured with."""

    def __init__(self, url: str, key: str) -> None:
        self.answers: list[dict[str, Any]] = []
        self._url = f"{url}/tools/booking?key={key}"
        self._group: set[asyncio.Task[None]] = set()
        self._asked: set[str] = set()

    def follow(self, record: CallRecord) -> None:
        """The record has changed."""
        agreed = any(turn.role == "agent" and AGREED in turn.text for turn in record.turns)
        if agreed and record.call_id not in self._asked:
            self._asked.add(record.call_id)
            task = asyncio.get_running_loop().create_task(self._book(record.call_id))
            self._group.add(task)
            task.add_done_callback(self._group.discard)

    async def _book(self, call_id: str) -> None:
        payload = {
            "tool_name": "book_appointment",
            "tool_args": {"date": next_thursday().isoformat(), "time": "10:30", "call_id": call_id},
            "assistant_id": DemoServer.assistant_id,
            "timestamp": datetime.now(UTC).isoformat(),
        }
        limit = aiohttp.ClientTimeout(total=ANSWER_S)
        async with aiohttp.ClientSession(timeout=limit) as client, client.post(self._url, json=payload) as response:
            answer = await response.json()
        self.answers.append(answer)
        print(f"            the assistant calls book_appointment, and hears: {answer}")

    async def done(self) -> None:
        """Every request has been answered."""
        await asyncio.gather(*self._group)


def next_thursday() -> date:
    """The one that the assistant means."""
    today = datetime.now().astimezone().date()
    return today + timedelta(days=(THURSDAY - today.weekday() - 1) % 7 + 1)


async def clinic(args: argparse.Namespace) -> int:
    """Show it."""
    if not EXAMPLE.is_dir():
        print("The clinic's files come with the source: run this in a checkout.", file=sys.stderr)
        return 1
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callbridge-clinic-")))
        agent_voice, caller_voice = Voice(), Voice("en-us+m3")
        stack.callback(agent_voice.close)
        stack.callback(caller_voice.close)
        server = await stack.enter_async_context(DemoServer(voice=agent_voice))
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        calendar = await stack.enter_async_context(calendar_at(folder / "calendar.db", secret))
        listener = listen(args.port)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environ = {
            "PUBLIC_URL": url,
            "DATABASE_URL": f"sqlite:///{folder}/bridge.db",
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
            "TWILIO_API_URL": "http://127.0.0.1:9",
            "KURA_API_KEY": server.api_key,
            "KURA_URL": server.base_url,
            "CLINIC_NUMBER": PhoneOptions().to_number,
            "CLINIC_TOOLS_KEY": secrets.token_urlsafe(18),
            "CLINIC_SECRET": secret,
            "CALENDAR_URL": calendar,
            "BRIDGE_API_KEY": secrets.token_urlsafe(18),
        }
        house = House(Settings.load(str(EXAMPLE / "bridge.toml"), environ))
        platform = Platform(url, environ["CLINIC_TOOLS_KEY"])
        house.watchers += [Transcript().follow, platform.follow]
        serving = asyncio.create_task(house.serve([listener]), name="bridge")
        started = asyncio.create_task(house.started.wait(), name="started")
        await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            started.cancel()
            serving.result()
            return 1
        print(f"The clinic's bridge answers at {url}, its calendar at {calendar}. Calling now.\n")
        options = PhoneOptions(url=url, account_sid=ACCOUNT_SID, auth_token=environ["TWILIO_AUTH_TOKEN"])
        report = await SimulatedPhone(options, await demonstration(caller_voice.speak), watch=show).call()
        args.out.write_bytes(wav.write(report.sound()))
        await platform.done()
        booked = appointments(folder / "calendar.db")
        print(f"\n{summary(report, args.out)}\n\nIn the calendar's database:")
        for row in booked or [("nothing",)]:
            print("  " + "  ".join(map(str, row)))
        good = report.answered and not report.faults and bool(booked)
        if good and not args.once:
            print(
                f"\nSoftphone:  {url}/softphone\nDashboard:  {url}/   (key: {environ['BRIDGE_API_KEY']})\nCtrl-C ends it."
            )
            with contextlib.suppress(asyncio.CancelledError):
                await serving
        house.stop()
        await serving
        return 0 if good else 1


@contextlib.asynccontextmanager
async def calendar_at(database: Path, secret: str) -> Any:
    """The calendar as a process of its own; where it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE / "calendar_service.py"),
        "--port=0",
        f"--database={database}",
        env={**os.environ, "CLINIC_SECRET": secret},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode()
        if "http://" not in line:
            raise OSError("the calendar did not start")
        yield line.split()[-1]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def appointments(database: Path) -> list[tuple[Any, ...]]:
    """What the calendar holds: date, time, number, name."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT date, time, phone_number, name FROM appointments").fetchall()
