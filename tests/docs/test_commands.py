"""Commands of the documentation that need a bridge: run as they stand against one, with stand-ins for carrier and agent."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.agents.demo.voice import speaks
from tests.docs.blocks import ROOT, Block, commands, kind
from tests.standins.twilio import Carrier, Person, TwilioRest
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession
from tests.support.house import ACCOUNT, API_KEY, PUBLIC, TOKEN, configuration, running
from tests.support.instances import Instance, free_ports

NUMBERS = ("+15550100", "+12125550100")  # lines that the pages name
TOOLS_KEY = "a-tools-key-5f0e9d21"
PEOPLE = ("+15550123456", "+12125550123")
MORE = """
[outbound]
allowed_prefixes = ["+1"]
calls_per_second = 100
[tools.book_appointment]
url = "http://127.0.0.1:9/appointments"
allow_private = true
"""
ID = re.compile(r"\bcamp_[0-9a-f]+")


@dataclass
class Desk:
    """Where somebody sits who types the commands."""

    folder: Path
    environ: dict[str, str]
    url: str

    async def type(self, line: str) -> str:
        """What a command prints; it must exit with 0."""
        process = await asyncio.create_subprocess_shell(
            line.replace(PUBLIC, self.url),
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            printed, _ = await process.communicate()
        assert process.returncode == 0, f"{line}\n{printed.decode()}"
        return printed.decode()


def desk(folder: Path, url: str) -> Desk:
    """With ``callbridge`` on the path."""
    shim = folder / "bin/callbridge"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m bridge "$@"\n')
    shim.chmod(0o755)
    environ = {
        key: value for key, value in os.environ.items() if not key.startswith(("BRIDGE_", "COVERAGE_", "TWILIO_"))
    }
    environ |= {"PATH": f"{shim.parent}:{environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return Desk(folder, environ | {"BRIDGE_URL": url, "BRIDGE_API_KEY": API_KEY, "TOOLS_KEY": TOOLS_KEY}, url)


async def talk(session: XunaSession) -> None:
    """An agent that says a word and is done."""
    await session.say(0.3, text="Hello, this is the clinic.", speed=2.0)
    await session.heard(0.2, timeout=10)
    await session.close(1000)


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Desk]:
    """A bridge with the numbers that the pages name, an agent that talks, people who answer, and the files that are named."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        url = f"http://{host}"
        carrier = Carrier(public_url=url, auth_token=TOKEN, account_sid=ACCOUNT, also={host: host})
        async with Xuna() as xuna, carrier, TwilioRest(carrier) as rest:
            xuna.on_session = talk
            rest.numbers = set(NUMBERS)
            for number in PEOPLE:
                rest.people[number] = Person(rings=0.1)
            agent = f'[agents.reminder]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\n'
            agent += f'base_url = "{xuna.url}"\ntools_key = "{TOOLS_KEY}"\n'
            lines = "".join(f'[[lines]]\nnumber = "{number}"\nagent = "reminder"\n' for number in NUMBERS)
            text = configuration(tmp_path, agent, lines=lines, more=MORE, rest_url=rest.url).replace(PUBLIC, url)
            (tmp_path / "people.csv").write_text(f"number,name\n{PEOPLE[1]},Ada\n")
            (tmp_path / "rules.toml").write_text(
                'from = ["+12125550100"]\nnot_before = "2098-01-04T00:00:00Z"\nmax_attempts = 2\n'  # nobody is called yet
            )
            (tmp_path / "more.toml").write_text("max_attempts = 3\n")
            async with running(tmp_path, text, listener=listener, worker=True):
                yield desk(tmp_path, url)
                await carrier.pulse.until(lambda: all(call.over for call in carrier.calls), "every call to end")


@pytest.mark.parametrize("block", kind("bridge"), ids=lambda each: each.where)
async def test_commands_to_a_bridge(bridge: Desk, block: Block) -> None:
    """bridge: every command is taken by a running bridge and exits with 0; ID is the one that a command before has printed."""
    known = "ID"
    for line in commands(block.text):
        program = line.split()[0]
        if program == "curl":
            if shutil.which("curl") is None:
                pytest.skip("curl is not installed here")
            line = line.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
        printed = await bridge.type(re.sub(r"\bID\b", known, line))
        found = ID.search(printed)
        known = found[0] if found else known


@pytest.mark.parametrize("block", kind("serve"), ids=lambda each: each.where)
async def test_servers_serve(block: Block, tmp_path: Path) -> None:
    """serve: with the page's own configuration the server takes calls, and a signal ends it with 0."""
    assert speaks()
    (command,) = commands(block.text)
    page = ROOT / block.where.rpartition(":")[0]
    configurations = [each for each in kind("config") if each.where.startswith(f"{page.relative_to(ROOT)}:")]
    (tmp_path / "bridge.toml").write_text(configurations[0].text)
    (port,) = free_ports(1)
    place = desk(tmp_path, f"http://127.0.0.1:{port}")
    environ = place.environ | {"PORT": str(port), "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN}
    instance = Instance(tmp_path, tmp_path / "bridge.toml", port)
    instance.process = start(f"exec {command}", tmp_path, environ, instance.log)
    try:
        await instance.ready()
        instance.send(signal.SIGTERM)
        assert await instance.ended() == 0
    finally:
        await instance.close()


def start(line: str, folder: Path, environ: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A command that stays."""
    with log.open("wb") as out:
        return subprocess.Popen(line, shell=True, cwd=folder, env=environ, stdout=out, stderr=out)
