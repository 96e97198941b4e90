"""The store's faults that need a real one: a disk that takes no byte more, a server whose connections are all reset."""

import contextlib
import resource
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import Reason, StoreUnavailable
from bridge.store.calls import Calls
from bridge.store.database import Database
from tests.acceptance import bridge as ours
from tests.acceptance.bridge import serving
from tests.standins.twilio import Carrier
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession
from tests.store.postgresql import Server, programs
from tests.support.house import PUBLIC, TOKEN, configuration, running
from tests.support.instances import Instance, free_ports
from tests.support.proxy import Proxy
from tests.support.scene import eventually, xuna_toml


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL of our own."""
    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here (apt-get install postgresql)")
    server = Server(binaries)
    yield server
    server.remove()


async def begun(carrier: Carrier, xuna: Xuna, number: int) -> tuple[PhoneCall, XunaSession]:
    """A call that has heard its agent."""
    call = await carrier.call(from_=f"+1555012340{number}")
    session = await xuna.session()
    await call.streaming()
    await session.say(0.3)
    await call.hears(0.25)
    return call, session


def unwritten(folder: Path) -> list[Path]:
    """Files with records that the store has still to take."""
    return list(folder.glob("*.unwritten-*"))


async def test_f41_r21_a_full_disk_harms_no_call(tmp_path: Path) -> None:
    """No file may grow: the live call and a new one are heard and end; their records are there once there is room."""
    async with Xuna(init_within=10.0, pong_within=10.0) as xuna:
        text = ours.configuration(tmp_path, ours.xuna(xuna), more='[logging]\nformat = "json"\n')
        async with serving(tmp_path, text, "--single") as bridge, bridge.carrier() as carrier:
            call, session = await begun(carrier, xuna, 1)
            pid = bridge.process.pid
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
            await session.say(1.0, frequency=997)
            await call.hears(0.9)
            second, other = await begun(carrier, xuna, 2)
            await call.hang_up()
            await session.gone(timeout=2.0)

            async def told() -> bool:
                return bool(bridge.told("store_away"))

            await eventually(told, "a word about the store")
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            assert (await bridge.record(call.sid, timeout=5.0))["outcome"]["reason"] == "caller_hangup"
            await second.hang_up()
            await other.gone(timeout=2.0)
            assert (await bridge.record(second.sid, timeout=5.0))["outcome"]["reason"] == "caller_hangup"


async def test_f41_what_a_process_could_not_write_its_successor_writes(tmp_path: Path) -> None:
    """The database is locked until the process has drained and ended: the record of its last call is not lost with it."""
    (port,) = free_ports(1)
    async with Xuna(init_within=10.0, pong_within=10.0) as xuna:
        config = tmp_path / "bridge.toml"
        config.write_text(ours.configuration(tmp_path, ours.xuna(xuna)))
        bridge = Instance(tmp_path, config, port)
        await bridge.start()
        try:
            carrier = Carrier(public_url=PUBLIC, address=f"127.0.0.1:{port}", auth_token=TOKEN)
            async with carrier:
                call, session = await begun(carrier, xuna, 1)
                with contextlib.closing(sqlite3.connect(tmp_path / "calls.db", isolation_level=None)) as other:
                    other.execute("BEGIN EXCLUSIVE")
                    await call.hang_up()
                    await session.gone(timeout=2.0)
                    bridge.send(signal.SIGTERM)
                    assert await bridge.ended() == 0
            await bridge.start()
            database = Database(f"sqlite:///{tmp_path}/calls.db")

            async def closed() -> bool:
                record = await Calls(database).get(call.sid)
                return record is not None and record.outcome is Reason.CALLER_HANGUP and not unwritten(tmp_path)

            await eventually(closed, "a record, and no file that waits")
            await database.close()
        finally:
            await bridge.close()


@pytest.mark.postgresql
async def test_f41_a_fail_over_harms_no_call(server: Server, tmp_path: Path) -> None:
    """Every connection to PostgreSQL is reset and refused for a second: the call is heard, and the record comes."""
    await server.execute("CREATE DATABASE failing_over")
    async with Xuna() as xuna, Proxy(f"127.0.0.1:{server.port}") as proxy:
        url = server.url("failing_over").replace(f":{server.port}/", f":{proxy.port}/")
        text = configuration(tmp_path, xuna_toml(xuna)).replace(f"sqlite:///{tmp_path}/calls.db", url)
        carrier = Carrier(public_url=PUBLIC, auth_token=TOKEN)
        async with running(tmp_path, text) as house, carrier:
            carrier._hosts["bridge.example.com"] = f"127.0.0.1:{house.port}"
            call, session = await begun(carrier, xuna, 1)
            proxy.refuse = True
            proxy.reset()
            await session.say(1.0, frequency=997)
            await call.hears(0.9)
            second, other = await begun(carrier, xuna, 2)
            await call.hang_up()
            await session.gone(timeout=2.0)
            proxy.refuse = False
            await second.hang_up()
            await other.gone(timeout=2.0)
            for each in (call, second):

                async def closed(sid: str = each.sid) -> bool:
                    try:
                        record = await house.calls.get(sid)
                    except StoreUnavailable:
                        return False
                    return record is not None and record.outcome is Reason.CALLER_HANGUP

                await eventually(closed, "a record", timeout=5.0)
