"""A machine that has no more to give: no memory, no thread, no processor. What is on goes on; what is new is refused or waits."""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance import bridge as ours
from tests.acceptance.bridge import Bridge, serving
from tests.end_to_end.test_faults_process import cpu_seconds, heard
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession
from tests.support.scene import eventually

JSON = '[logging]\nformat = "json"\n'


@pytest.fixture
async def xuna() -> AsyncIterator[Xuna]:
    """A strict XUNA."""
    async with Xuna(init_within=60.0, pong_within=60.0) as server:
        yield server


def memory(pid: int) -> int:
    """Bytes of address space that a process has."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[0]
    return int(pages) * resource.getpagesize()


async def test_f47_without_memory_and_threads_live_calls_go_on(xuna: Xuna, tmp_path: Path) -> None:
    """Not a mapping more may be made, and so no thread: the call is heard both ways, nothing spins, the process lives, and
    new calls are taken when there is memory again.
    """
    async with (
        serving(tmp_path, ours.configuration(tmp_path, ours.xuna(xuna), more=JSON), "--single") as bridge,
        bridge.carrier() as carrier,
    ):
        await heard(carrier, xuna)
        call = await carrier.call()
        session = await xuna.session()
        await call.streaming()
        pid = bridge.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (memory(pid) + 256 * 1024, hard))
        before, began = cpu_seconds(pid), time.monotonic()
        await session.say(1.5, frequency=997)
        await call.speak(0.5, frequency=600)
        await call.hears(1.4)
        await session.heard(0.5)
        crowd = [asyncio.create_task(bridge.status("/readyz")) for _ in range(50)]
        await asyncio.gather(*crowd)
        assert (cpu_seconds(pid) - before) / (time.monotonic() - began) < 0.6
        assert bridge.process.returncode is None
        resource.prlimit(pid, resource.RLIMIT_AS, (hard, hard))

        async def answers() -> bool:
            return await bridge.status("/readyz") == 200

        await eventually(answers, "an answer", timeout=5.0)
        await heard(carrier, xuna)
        await call.hang_up()
        assert (await bridge.record(call.sid))["outcome"]["reason"] == "caller_hangup"


def threads(pid: int) -> list[int]:
    """The threads of a process."""
    return [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]


def counted() -> list[str]:
    """A command by which a process is somebody whose threads the kernel counts: it does not count the superuser's."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed here: the superuser's threads are not counted")
    return [setpriv, "--reuid=65534", "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]


async def test_f47_without_a_thread_more_calls_are_taken_and_recorded(xuna: Xuna, tmp_path: Path) -> None:
    """From the start on no thread can be begun: agents are found by name, calls are heard both ways, recorded and written,
    and the process lives. It has begun all its threads before.
    """
    agent = ours.xuna(xuna, 'websocket_hosts = ["127.0.0.1"]').replace("//127.0.0.1", "//localhost")
    more = f'{JSON}[recording]\nfolder = "{tmp_path}/recordings"\n'
    lines = '[[lines]]\nnumber = "*"\nagent = "support"\nrecording = { mode = "bridge" }\n'
    async with (
        serving(
            tmp_path,
            ours.configuration(tmp_path, agent, lines=lines, top="record_hops = true", more=more),
            "--single",
            wrapper=counted(),
        ) as bridge,
        bridge.carrier() as carrier,
    ):
        pid = bridge.process.pid
        before = len(threads(pid))
        limit = f"import resource; resource.prlimit({pid}, resource.RLIMIT_NPROC, (1, 1))"
        as_it = await asyncio.create_subprocess_exec(*counted(), sys.executable, "-c", limit)  # only its own user may
        assert await as_it.wait() == 0
        for _ in range(3):
            await heard(carrier, xuna)
        assert len(threads(pid)) == before
        assert bridge.process.returncode is None, bridge.text
        (call, *_) = carrier.calls
        assert (await bridge.record(call.sid))["outcome"]["reason"] == "caller_hangup"
        assert not [line for line in bridge.log if line["level"] == "error"], bridge.text
        bridge.signal(signal.SIGTERM)
        assert await bridge.stopped() == 0, bridge.text


@contextlib.asynccontextmanager
async def hog(pid: int) -> AsyncIterator[None]:
    """Another program has the processor that ``pid`` is bound to, and the priority. Ends with the block, or after 60 s."""
    (core, *_) = sorted(os.sched_getaffinity(pid))
    for thread in threads(pid):
        os.sched_setaffinity(thread, {core})
        os.setpriority(os.PRIO_PROCESS, thread, 19)
    program = (
        f"import os, time; os.sched_setaffinity(0, {{{core}}}); end = time.time() + 60\nwhile time.time() < end: pass"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def refused_in_words(bridge: Bridge, number: int) -> bool:
    """Whether somebody who calls now is told that we are busy."""
    async with bridge.carrier() as carrier:
        call = await carrier.call(from_=f"+155501260{number:02}")
        for _ in range(100):
            if call.over or call.streams:
                break
            await asyncio.sleep(0.02)
        busy = any("busy" in words for words in call.said)
        await call.hang_up()
        return busy


def frames(call: PhoneCall, session: XunaSession) -> tuple[int, float]:
    """Frames that the caller has sent, and those that the agent has got."""
    assert call.stream is not None
    return call.stream.frames_sent, len(session.uplink) / 640


async def test_r06_a_hog_keeps_new_callers_out_and_live_calls_keep_their_sound(xuna: Xuna, tmp_path: Path) -> None:
    """A real one: callers are refused in words while the loop is late, nothing of the live call is lost, and once there is
    a processor again they are taken.
    """
    async with (
        serving(tmp_path, ours.configuration(tmp_path, ours.xuna(xuna), more=JSON), "--single") as bridge,
        bridge.carrier() as carrier,
    ):
        call = await carrier.call()
        session = await xuna.session()
        await call.streaming()
        async with hog(bridge.process.pid):
            speech = asyncio.create_task(session.say(4.0, frequency=997, speed=1.0))
            for number in range(20):
                if await refused_in_words(bridge, number):
                    break
            else:
                raise AssertionError("nobody was refused")
            await speech
        sent, _ = frames(call, session)
        await session.pulse.until(lambda: frames(call, session)[1] >= 0.99 * sent, "99 % of the caller's frames")
        await call.silent_for(0.3)
        assert call.stream is not None
        assert sum(length for _, length in call.stream.playout.spans) >= 0.99 * 32_000

        async def taken() -> bool:
            return not await refused_in_words(bridge, 50)

        await eventually(taken, "a call that is taken", timeout=8.0)
        await call.hang_up()
        assert (await bridge.record(call.sid))["outcome"]["reason"] == "caller_hangup"
