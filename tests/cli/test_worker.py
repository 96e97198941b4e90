"""``callbridge worker`` as a process of its own."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from tests.support.house import ACCOUNT, TOKEN


@asynccontextmanager
async def worker(folder: Path, *arguments: str, works: bool = True) -> AsyncIterator[asyncio.subprocess.Process]:
    """One that works (or is just started): with its log on stdout."""
    config = folder / "bridge.toml"
    config.write_text(
        f"""
public_url = "https://bridge.example.com"
database_url = "sqlite:///{folder}/calls.db"
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
api_base_url = "http://127.0.0.1:9"
[agents.demo]
provider = "demo"
[[lines]]
number = "+12125550100"
agent = "demo"
"""
    )
    config.chmod(0o600)
    command = [sys.executable, "-m", "bridge", "worker", "--config", str(config), *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while works and b"working" not in (line := await process.stdout.readline()):
                assert line, "it ended before it worked"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_worker_beside_a_server_gives_way_to_the_sound(tmp_path: Path) -> None:
    """Where processors are scarce the server comes first; a worker on a machine of its own gives way to nobody."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    async with worker(tmp_path, "--parent", str(os.getpid())) as beside:
        assert os.getpriority(os.PRIO_PROCESS, beside.pid) > ours
    async with worker(tmp_path) as alone:
        assert os.getpriority(os.PRIO_PROCESS, alone.pid) == ours


async def test_a_worker_ends_with_the_server_that_started_it(tmp_path: Path) -> None:
    """However that ended: two workers of one server would be one too many on its machine."""
    async with worker(tmp_path, "--parent", "999999999", works=False) as orphan, asyncio.timeout(60):
        assert await orphan.wait() == 0


async def told(process: asyncio.subprocess.Process, event: str) -> str:
    """The next line of the log that tells of it."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while event.encode() not in (line := await process.stdout.readline()):
            assert line, f"it ended before {event}"
    return line.decode()


async def test_a_worker_reads_its_configuration_again(tmp_path: Path) -> None:
    """On SIGHUP: a bad file keeps the old one and says why, a good one is gone on with in the same process."""
    config = tmp_path / "bridge.toml"
    async with worker(tmp_path) as process:
        good = config.read_text()
        config.write_text(good.replace('agent = "demo"', 'agent = "nobody"'))
        process.send_signal(signal.SIGHUP)
        assert "lines[0].agent" in await told(process, "configuration_kept")
        config.write_text(good + '[outbound]\nallowed_prefixes = ["+1"]\n')
        process.send_signal(signal.SIGHUP)
        assert "outbound" in await told(process, "configuration_read")
        await told(process, "working")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0


async def test_a_worker_that_cannot_use_the_database_says_so_and_no_more(tmp_path: Path) -> None:
    """In the words and with the exit code of the server, not with a traceback."""
    async with worker(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "calls.db")) as database, database:
        database.execute("UPDATE callbridge_version SET version_num = 'later'")
    command = [sys.executable, "-m", "bridge", "worker", "--config", str(tmp_path / "bridge.toml")]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert b"a newer callbridge" in said
    assert b"Traceback" not in said
