"""What befalls the process: killed, out of files, nobody reads its log, asked by everybody at once, in an odd environment."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import structlog

from bridge import logs as logging_
from bridge.assembly import operations
from bridge.runtime import reconciler
from tests.acceptance import bridge as ours
from tests.acceptance.bridge import Bridge, free_port, serving
from tests.standins.twilio import Carrier, TwilioRest
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna import Xuna
from tests.support.house import PUBLIC, TOKEN, running
from tests.support.scene import eventually, scene

JSON = '[logging]\nformat = "json"\n'


@pytest.fixture
async def xuna() -> AsyncIterator[Xuna]:
    """A strict XUNA."""
    async with Xuna(init_within=10.0, pong_within=10.0) as server:
        yield server


async def heard(carrier: Carrier, xuna: Xuna) -> None:
    """A call that works from end to end."""
    call = await carrier.call()
    session = await xuna.session()
    await call.streaming()
    await session.say(0.3)
    await call.hears(0.25)
    await call.hang_up()
    await session.gone(timeout=2.0)


async def test_f44_r08_no_record_of_a_killed_process_stays_open(
    xuna: Xuna, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five calls, SIGKILL, all callers hang up unheard: the next process asks the carrier and closes every record."""
    monkeypatch.setattr(operations, "RECONCILE_S", 0.2)
    monkeypatch.setattr(reconciler, "SURE_S", 0.3)
    carrier = Carrier(public_url=PUBLIC, auth_token=TOKEN)
    async with TwilioRest(carrier) as rest, carrier:
        text = ours.configuration(tmp_path, ours.xuna(xuna), more=JSON, rest=rest.url)
        async with serving(tmp_path, text, "--single") as bridge:
            carrier._hosts["bridge.example.com"] = bridge.address
            calls = [await carrier.call(from_=f"+1555012345{number}") for number in range(5)]
            for call in calls:
                await call.streaming()
                await xuna.session()

            async def stored() -> bool:  # the writer rests up to a second between two accounts of a live call
                with contextlib.closing(sqlite3.connect(tmp_path / "calls.db")) as database:
                    query = "SELECT count(*) FROM calls WHERE status = 'in_progress'"
                    return database.execute(query).fetchone() == (5,)

            await eventually(stored, "five stored calls")
            bridge.signal(signal.SIGKILL)
            assert await bridge.stopped() == -signal.SIGKILL
        for call in calls:
            await call.hang_up()
        with sqlite3.connect(tmp_path / "calls.db") as database:  # a minute goes by
            database.execute("UPDATE instances SET seen_us = seen_us - 60000000")
        database.close()
        async with running(tmp_path, text) as house:
            for call in calls:

                async def closed(sid: str = call.sid) -> bool:
                    record = await house.calls.get(sid)
                    return record is not None and record.status.terminal

                await eventually(closed, "a closed record", timeout=5.0)
                record = await house.calls.get(call.sid)
                assert record is not None
                assert str(record.outcome) == "process_lost"
                assert record.ended_at is not None


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def highest_file(pid: int) -> int:
    """The highest descriptor that a process has."""
    return max(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir())


async def test_f47_without_files_live_calls_go_on(xuna: Xuna, tmp_path: Path) -> None:
    """Every descriptor is taken: the call is heard, nothing spins, and new calls are taken as soon as there are some again."""
    async with (
        serving(tmp_path, ours.configuration(tmp_path, ours.xuna(xuna), more=JSON), "--single") as bridge,
        bridge.carrier() as carrier,
    ):
        call = await carrier.call()
        session = await xuna.session()
        await call.streaming()
        pid = bridge.process.pid
        open_now = highest_file(pid) + 1
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_now + 4, hard))
        crowd = []
        for _ in range(60):
            with contextlib.suppress(OSError):
                crowd.append(await asyncio.open_connection("127.0.0.1", bridge.port))

        async def exhausted() -> bool:
            return highest_file(pid) == open_now + 3

        await eventually(exhausted, "the last descriptor to be taken")
        before = cpu_seconds(pid)
        began = time.monotonic()
        await session.say(1.5, frequency=997)
        await call.speak(0.5, frequency=600)
        await call.hears(1.4)
        await session.heard(0.5)
        assert (cpu_seconds(pid) - before) / (time.monotonic() - began) < 0.4
        for _, writer in crowd:
            writer.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))

        async def answers() -> bool:
            return await bridge.status("/readyz") == 200

        await eventually(answers, "an answer", timeout=5.0)
        await heard(carrier, xuna)
        await call.hang_up()
        assert (await bridge.record(call.sid))["outcome"]["reason"] == "caller_hangup"


def full_pipe() -> tuple[int, int]:
    """A pipe (to read, to write) that takes not a byte more."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(into, b"\n" * 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(into, b"\n")
    os.set_blocking(into, True)
    return out, into


async def test_f50_a_log_that_nobody_reads_disturbs_no_call(xuna: Xuna, tmp_path: Path) -> None:
    """Standard output is a full pipe: calls are taken and heard, and the process ends in order when it is told to."""
    out, into = full_pipe()
    file = tmp_path / "bridge.toml"
    file.write_text(ours.configuration(tmp_path, ours.xuna(xuna), more=JSON.replace("json", 'json"\nlevel = "debug')))
    file.chmod(0o600)
    port = free_port()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", "serve", "--single", "--config", str(file), "--port", str(port)),
            cwd=tmp_path,
            env=ours.environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=into,
            stderr=asyncio.subprocess.DEVNULL,
        )
        bridge = Bridge(process, tmp_path, port)
        try:
            await bridge.until_status("/readyz", 200, timeout=20.0)
            async with bridge.carrier() as carrier:
                await heard(carrier, xuna)
                await heard(carrier, xuna)
            bridge.signal(signal.SIGTERM)
            assert await bridge.stopped(timeout=8.0) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    finally:
        os.close(out)
        os.close(into)


async def test_f50_a_log_shared_with_somebody_who_does_not_wait_loses_nothing() -> None:
    """Standard output was made non-blocking by another process, and is full for a while: every line comes whole."""
    out, into = full_pipe()
    os.set_blocking(into, False)
    with open(into, "w") as stream, open(out, "rb") as reader:  # noqa: PTH123, ASYNC230 - descriptors, not files
        made = logging_.configure("info", "json", stream=logging_.Descriptor(stream))
        for number in range(100):
            structlog.get_logger("bridge.test").info("line", number=number, padding="x" * 2000)
        closing = asyncio.create_task(asyncio.to_thread(made.close, 5.0))
        found: list[int] = []
        while len(found) < 100:
            line = await asyncio.wait_for(asyncio.to_thread(reader.readline), 5)
            if line.strip():
                found.append(json.loads(line)["number"])
        await closing
        assert found == list(range(100))
        assert made.dropped == 0


async def in_one_piece(call: PhoneCall, seconds: float) -> None:
    """The agent's only words are heard to their end, without a gap."""
    await call.hears(seconds - 0.2)
    await call.silent_for(0.2)
    assert call.stream is not None
    assert [length for _, length in call.stream.playout.spans] == [pytest.approx(seconds * 8000, abs=4)]


class Blocked:
    """A stream whose reader has gone to sleep."""

    def __init__(self) -> None:
        self.awake = threading.Event()

    def isatty(self) -> bool:
        """No."""
        return False

    def write(self, text: str) -> int:
        """Does not return before somebody reads again."""
        assert self.awake.wait(20)
        return len(text)

    def flush(self) -> None:
        """Nothing to do."""


async def test_f50_what_nobody_read_is_counted(tmp_path: Path) -> None:
    """Ten thousand lines wait at the most; what is beyond is dropped and counted, and no frame of a call is late."""
    blocked = Blocked()
    made = logging_.configure("debug", "json", stream=blocked)
    try:
        async with scene(tmp_path) as cast:
            call, session = await cast.talking()
            await session.say(1.0, frequency=997)
            log = structlog.get_logger("bridge.test")
            for burst in range(110):
                for _ in range(100):
                    log.info("much_to_say", burst=burst)
                await asyncio.sleep(0)
            await in_one_piece(call, 1.0)
            await call.hang_up()
            await cast.record(call)
            assert made.dropped > 900
    finally:
        blocked.awake.set()
        made.close()


async def test_f51_fifty_scrapes_at_once_disturb_no_call(tmp_path: Path) -> None:
    """/metrics by fifty readers, twice over, in mid-call: all get it, and the sound has no gap."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(2.0, frequency=997)
        await call.hears(0.1)
        url = f"http://127.0.0.1:{cast.house.port}/metrics"
        async with aiohttp.ClientSession() as http:

            async def scrape() -> int:
                async with http.get(url) as answer:
                    return len(await answer.read()) if answer.status == 200 else 0

            for _ in range(2):
                sizes = await asyncio.gather(*(scrape() for _ in range(50)))
                assert min(sizes) > 1000
        await in_one_piece(call, 2.0)
        await call.hang_up()
        await cast.record(call)


async def test_f53_a_bad_configuration_in_mid_call_changes_nothing(xuna: Xuna, tmp_path: Path) -> None:
    """SIGHUP with a broken file: the live call and the next one go on with the one in force, and the log says so."""
    async with (
        serving(tmp_path, ours.configuration(tmp_path, ours.xuna(xuna), more=JSON), "--single") as bridge,
        bridge.carrier() as carrier,
    ):
        call = await carrier.call()
        session = await xuna.session()
        await call.streaming()
        (tmp_path / "bridge.toml").write_text("public_url = [broken")
        bridge.signal(signal.SIGHUP)

        async def told() -> bool:
            return bool(bridge.told("configuration_kept"))

        await eventually(told, "a word about the configuration")
        await session.say(0.3)
        await call.hears(0.25)
        await heard(carrier, xuna)
        await call.hang_up()
        await bridge.record(call.sid)


ODD: list[tuple[str, dict[str, str]]] = [
    ("zone", {"TZ": "Pacific/Kiritimati"}),
    ("no_zone", {"TZ": "Nowhere/Land"}),
    ("no_locale", {"LANG": "xx_YY.KOI8-R", "LC_ALL": "tr_TR.ISO-8859-9"}),
    ("posix", {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ("host", {"HOSTNAME": "büro-größe-電話", "HOME": "/nonexistent"}),
]


@pytest.mark.parametrize(("name", "environ"), ODD, ids=[name for name, _ in ODD])
async def test_f55_an_odd_environment_does_not_matter(
    name: str, environ: dict[str, str], xuna: Xuna, tmp_path: Path
) -> None:
    """It starts in a folder that it may not write to, whatever zone, language and host it is told, and serves."""
    text = ours.configuration(tmp_path, ours.xuna(xuna), more=JSON)
    async with (
        serving(tmp_path, text, "--single", env=environ, cwd=Path("/proc")) as bridge,
        bridge.carrier() as carrier,
    ):
        await heard(carrier, xuna)
        line = bridge.told("serving")[0]
        assert line["timestamp"].endswith("Z")  # UTC, wherever we are


async def test_f55_a_host_whose_name_is_not_ascii_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it calls itself goes into the store and into headers of nobody."""
    monkeypatch.setattr("socket.gethostname", lambda: "büro-電話-" + "x" * 80)
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(0.3)
        await call.hears(0.25)
        await call.hang_up()
        assert (await cast.record(call)).instance.startswith("büro-電話")
