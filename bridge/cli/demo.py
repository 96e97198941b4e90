"""``callbridge demo``: a bridge, an agent that talks, and one simulated call between them, all on loopback."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from bridge.agents.demo.server import DemoServer
from bridge.agents.demo.voice import Voice
from bridge.app import House
from bridge.audio import wav
from bridge.call.record import CallRecord
from bridge.phone.command import show, summary
from bridge.phone.options import ACCOUNT_SID, PhoneOptions
from bridge.phone.script import demonstration
from bridge.phone.simulated import SimulatedPhone
from bridge.settings import Settings

PORT: Final = 8080
OUT: Final = Path("heard.wav")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge demo``."""
    parser.add_argument("example", nargs="?", choices=("clinic",), help="a worked example in place of the plain call")
    parser.add_argument("--once", action="store_true", help="exit after the call")
    parser.add_argument("--agent", choices=("xuna", "kura"), default="xuna", help="whose protocol the agent speaks")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", PORT)), help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help="what the caller heard (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Show it."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if args.example == "clinic":
            from bridge.cli.clinic import clinic

            return runner.run(clinic(args))
        return runner.run(_demo(args))


async def _demo(args: argparse.Namespace) -> int:
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callbridge-demo-")))
        agent_voice, caller_voice = Voice(), Voice("en-us+m3")
        stack.callback(agent_voice.close)
        stack.callback(caller_voice.close)
        server = await stack.enter_async_context(DemoServer(voice=agent_voice, hears=True))
        listener = listen(args.port)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        token, key = secrets.token_hex(16), secrets.token_urlsafe(18)
        house = House(_settings(folder, args.agent, url, server, token, key), demo=True)
        house.watchers.append(Transcript().follow)
        serving = asyncio.create_task(house.serve([listener]), name="bridge")
        started = asyncio.create_task(house.started.wait(), name="started")
        await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            started.cancel()
            serving.result()
            return 1
        print(f"The bridge answers at {url}; the agent speaks {args.agent.upper()}'s protocol. Calling it now.\n")
        script = await demonstration(caller_voice.speak)
        report = await SimulatedPhone(
            PhoneOptions(url=url, account_sid=ACCOUNT_SID, auth_token=token), script, watch=show
        ).call()
        args.out.write_bytes(wav.write(report.sound()))
        print(f"\n{summary(report, args.out)}")
        good = report.answered and not report.faults
        if not args.once and good:
            print(f"\nSoftphone:  {url}/softphone\nDashboard:  {url}/   (key: {key})\nCtrl-C ends it.")
            with contextlib.suppress(asyncio.CancelledError):
                await serving
        house.stop()
        await serving
        return 0 if good else 1


def listen(port: int) -> socket.socket:
    """A socket on that port of this machine, else on any."""
    for wanted in (port, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError:
            listener.close()
            print(f"Port {wanted} is in use; taking another.", file=sys.stderr)
        else:
            listener.listen()
            return listener
    raise OSError("no port is free")


def _settings(folder: Path, agent: str, url: str, server: DemoServer, token: str, key: str) -> Settings:
    if agent == "kura":
        table = f'provider = "kura"\nassistant_id = {server.assistant_id}'
    else:
        table = f'provider = "xuna"\nagent_id = "{server.agent_id}"'
    file = folder / "bridge.toml"
    file.write_text(
        f"""public_url = "{url}"
database_url = "sqlite:///{folder}/demo.db"
[carriers.twilio]
account_sid = "{ACCOUNT_SID}"
auth_token = "{token}"
api_base_url = "http://127.0.0.1:9"
[agents.demo]
{table}
api_key = "{server.api_key}"
base_url = "{server.base_url}"
[[lines]]
number = "*"
agent = "demo"
[api]
keys = ["{key}"]
"""
    )
    file.chmod(0o600)
    return Settings.load(str(file), {})


class Transcript:
    """Prints what the record says, as it grows."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}
        self._cut: set[int] = set()

    def follow(self, record: CallRecord) -> None:
        """The record has changed."""
        shown = self._shown.get(record.call_id, 0)
        complete = [turn for turn in record.turns if turn.text]
        for number, turn in enumerate(complete):
            if number >= shown:
                print(f"  {turn.at_ms / 1000:6.1f} s  {turn.role:6}  “{turn.text}”")
            if turn.interrupted and number not in self._cut:
                self._cut.add(number)
                print(f"            interrupted; the caller heard: “{turn.heard}”")
        self._shown[record.call_id] = max(shown, len(complete))
        if record.status.terminal:
            latency = record.latency.public()
            print(f"  the record: {record.status}, {record.outcome}; latencies {latency}")
