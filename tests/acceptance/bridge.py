"""The product as a process, known only by its command line, its configuration, its addresses and its log."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.standins.kura import Kura
from tests.standins.twilio import Carrier
from tests.standins.xuna import Xuna

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://bridge.example.com"
API_KEY = "operator-key-0123456789"
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")


def environment(**more: str) -> dict[str, str]:
    """What a process of ours sees: nothing of the developer's own settings."""
    return {**{name: os.environ[name] for name in INHERITED if name in os.environ}, **more}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def configuration(folder: Path, agents: str, *, lines: str = "", top: str = "", more: str = "", rest: str = "") -> str:
    """TOML of a bridge whose first agent answers every number, unless ``lines`` says otherwise. ``rest``: Twilio's API."""
    first = agents.split("[agents.", 1)[1].split("]", 1)[0]
    return f"""
public_url = "{PUBLIC}"
database_url = "sqlite:///{folder}/calls.db"
{top}
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
api_base_url = "{rest or "http://127.0.0.1:9"}"
timeout_s = 1
[api]
keys = ["{API_KEY}"]
{agents}
{more}
{lines or f'[[lines]]{chr(10)}number = "*"{chr(10)}agent = "{first}"{chr(10)}'}
"""


def xuna(server: Xuna, more: str = "", *, name: str = "support", agent_id: str = "agent_1") -> str:
    """The table of an agent of a XUNA account."""
    return (
        f'[agents.{name}]\nprovider = "xuna"\nagent_id = "{agent_id}"\napi_key = "{server.api_key}"\n'
        f'base_url = "{server.url}"\n{more}\n'
    )


def kura(server: Kura, more: str = "", *, name: str = "booking", assistant_id: int = 1) -> str:
    """The table of an assistant of Kura's, with all keys that the server knows."""
    keys = ", ".join(f'"{key}"' for key in server.keys)
    return (
        f'[agents.{name}]\nprovider = "kura"\nassistant_id = {assistant_id}\napi_key = [{keys}]\n'
        f'base_url = "{server.url}"\n{more}\n'
    )


@dataclass
class Output:
    """How a command ended."""

    code: int
    out: str
    err: str


async def run(*arguments: str, folder: Path, env: dict[str, str] | None = None, timeout: float = 60.0) -> Output:
    """Run ``callbridge`` to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bridge",
        *arguments,
        cwd=folder,
        env=environment(**(env or {})),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Output(process.returncode, out.decode(), err.decode())


@dataclass
class Bridge:
    """A running ``callbridge serve``."""

    process: asyncio.subprocess.Process
    folder: Path
    port: int
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """The same without the scheme."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every line of its standard output."""
        return [json.loads(line) for line in self.lines if line.strip()]

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of one kind."""
        return [line for line in self.log if line.get("event") == event]

    @property
    def text(self) -> str:
        """All that it has printed."""
        return "".join([*self.lines, *self.errors])

    def carrier(self, public_url: str = PUBLIC, **more: Any) -> Carrier:
        """A strict Twilio in front of it."""
        return Carrier(public_url=public_url, address=self.address, auth_token=TOKEN, account_sid=ACCOUNT, **more)

    async def status(self, path: str) -> int:
        """The status of a GET; 0 where nobody listens."""
        try:
            async with aiohttp.ClientSession() as http, http.get(self.url + path) as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def until_status(self, path: str, status: int, *, timeout: float = 10.0) -> None:
        """Ask until the answer has this status."""
        async with asyncio.timeout(timeout):
            while await self.status(path) != status:
                await asyncio.sleep(0.02)

    async def api(self, path: str, *, method: str = "GET", key: str = API_KEY, **more: Any) -> tuple[int, Any]:
        """The operator API: status and JSON."""
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, f"{self.url}/api/v1{path}", headers=headers, **more) as answer,
        ):
            return answer.status, await answer.json(content_type=None) if answer.content_length != 0 else None

    async def record(self, any_id: str, *, timeout: float = 5.0) -> dict[str, Any]:
        """The finished record of a call."""
        found: Any = None
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            status, found = await self.api(f"/calls/{any_id}")
            if status == 200 and found["outcome"] is not None:
                return dict(found)
            await asyncio.sleep(0.05)
        raise AssertionError(f"no finished record of {any_id}: {found}")

    async def live(self, any_id: str) -> dict[str, Any]:
        """The record as it is now."""
        status, found = await self.api(f"/calls/{any_id}")
        assert status == 200, found
        return dict(found)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def stopped(self, *, timeout: float = 20.0) -> int:
        """Wait for its end; the exit code."""
        return await asyncio.wait_for(self.process.wait(), timeout)


async def _keep(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode(errors="replace"))


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    text: str,
    *arguments: str,
    env: dict[str, str] | None = None,
    by_environment: bool = False,
    cwd: Path | None = None,
    wrapper: Sequence[str] = (),
) -> AsyncIterator[Bridge]:
    """``callbridge serve`` with this configuration, ready; ended by its own process id.

    ``by_environment``: file and port are told by $BRIDGE_CONFIG and $PORT. ``wrapper``: a command that becomes it.
    """
    file = folder / "bridge.toml"
    file.write_text(text)
    file.chmod(0o600)
    port = free_port()
    if by_environment:
        env = {**(env or {}), "BRIDGE_CONFIG": str(file), "PORT": str(port)}
    else:
        arguments = ("--config", str(file), "--port", str(port), *arguments)
    process = await asyncio.create_subprocess_exec(
        *(*wrapper, sys.executable),
        *("-m", "bridge", "serve", *arguments),
        cwd=cwd or folder,
        env=environment(**(env or {})),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    bridge = Bridge(process, folder, port)
    readers = [
        asyncio.create_task(_keep(process.stdout, bridge.lines)),
        asyncio.create_task(_keep(process.stderr, bridge.errors)),
    ]
    try:
        deadline = time.monotonic() + 30
        while (status := await bridge.status("/readyz")) != 200:
            if process.returncode is not None or status == 500 or time.monotonic() > deadline:
                raise AssertionError(f"the bridge does not serve ({process.returncode}): {bridge.text[-2000:]}")
            await asyncio.sleep(0.05)
        yield bridge
    finally:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), 2)
        await asyncio.wait_for(asyncio.gather(*readers), 10)
