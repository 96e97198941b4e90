"""A real network interface that goes down: the agent lives in a network namespace of its own, behind a pair of veth."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.scene import LINE, scene

SPACE = "callbridge-test"
HERE, THERE = "10.203.77.1", "10.203.77.2"
ROOT = Path(__file__).parents[2]


def ip(*arguments: str) -> None:
    """Run iproute2."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)


@pytest.fixture
def space() -> Iterator[str]:
    """A namespace with one end of a cable in it; skipped where none may be made."""
    if shutil.which("ip") is None:
        pytest.skip("iproute2 is not installed here (apt-get install iproute2)")
    if os.geteuid() != 0:
        pytest.skip("network namespaces are for root")
    name = f"{SPACE}-{os.getpid()}"
    cable = f"cbt{os.getpid()}"[:13]
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    try:
        ip("link", "add", f"{cable}a", "type", "veth", "peer", "name", f"{cable}b", "netns", name)
        ip("addr", "add", f"{HERE}/30", "dev", f"{cable}a")
        ip("link", "set", f"{cable}a", "up")
        ip("-n", name, "addr", "add", f"{THERE}/30", "dev", f"{cable}b")
        ip("-n", name, "link", "set", f"{cable}b", "up")
        yield name
    finally:
        # A connection that was never closed keeps the namespace alive behind its name's back, and the cable's end here would
        # take the next one's packets.
        with contextlib.suppress(subprocess.CalledProcessError):  # where it was never made
            ip("link", "del", f"{cable}a")
        ip("netns", "del", name)


@contextlib.asynccontextmanager
async def agent_in(space: str) -> AsyncIterator[str]:
    """A XUNA over there; its address."""
    command = ("ip", "netns", "exec", space, sys.executable, "-m", "tests.standins.xuna", "--host", THERE)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
        yield str(json.loads(line)["listening"])
    finally:
        process.kill()
        await process.wait()


async def test_r17_an_agent_behind_an_interface_that_goes_down_is_replaced(space: str, tmp_path: Path) -> None:
    """No FIN, no RST, no ICMP: after five seconds without a message and five without a pong another agent has the call."""
    async with agent_in(space) as url:
        distant = (
            f'\n[agents.distant]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "xi-standin-key-0001"\n'
            f'base_url = "{url}"\nallow_insecure = true\n'
        )
        lines = LINE.replace('"support"', '"distant"') + 'backup_agents = ["second"]\n'
        async with scene(tmp_path, agent=distant, lines=lines) as cast:
            cast.quiet_s = 12.0  # it is only after ten that anybody can know
            call = await cast.carrier.call()
            await call.streaming()
            await call.hears(0.8)
            ip("-n", space, "link", "set", f"cbt{os.getpid()}"[:13] + "b", "down")
            began = time.monotonic()
            await call.silent_for(0.5)
            await call.hears(0.3, timeout=12.0)  # the bridging line
            assert time.monotonic() - began < 11.5
            successor = await cast.backup.session(timeout=3.0)
            assert "How can I help" in successor.variables["previous_transcript"]
            await successor.say(0.3)
            await call.hears(0.3)
