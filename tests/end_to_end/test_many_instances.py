"""Three instances, one PostgreSQL, a real proxy before them: what befalls instances does not befall callers."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.call.record import CallRecord
from bridge.store.calls import Calls
from bridge.store.database import Database
from tests.standins.twilio import Carrier, TwilioRest
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession
from tests.store.pooler import Pooler, pgbouncer
from tests.store.postgresql import Server, programs
from tests.support.house import ACCOUNT, API_KEY, TOKEN
from tests.support.instances import Front, Instance, free_ports

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

CONFIG = """
public_url = "{public}"
{media}
database_url = "{database}"
drain_grace_s = 2
drain_timeout_s = 60
[carriers.twilio]
account_sid = "{account}"
auth_token = "{token}"
api_base_url = "{rest}"
timeout_s = 2
[agents.support]
provider = "xuna"
agent_id = "agent_1"
api_key = "{key}"
base_url = "{xuna}"
[[lines]]
number = "*"
agent = "support"
[limits]
loop_lag_ms = 0 # a machine that has other work too is not what is tried here
[api]
keys = ["{api}"]
[logging]
format = "json"
"""


@dataclass
class Deployment:
    """All of it."""

    carrier: Carrier
    xuna: Xuna
    instances: list[Instance]
    calls: Calls
    server: Server
    sessions: list[XunaSession] = field(default_factory=list)
    _numbers: int = 0

    async def talk(self, session: XunaSession) -> None:
        """Greet as soon as there is a session, then listen."""
        self.sessions.append(session)
        await session.say(0.4, text="Hello! How can I help?", speed=2.0)
        while not session.closed:
            try:
                await session.heard(1.0, timeout=60)
            except AssertionError:
                return

    async def call(self) -> PhoneCall:
        """Somebody calls and hears the greeting."""
        self._numbers += 1
        call = await self.carrier.call(from_=f"+1555{self._numbers:07}")
        await call.streaming(timeout=10)
        await call.hears(0.3, timeout=10)
        return call

    async def callers(self, count: int) -> list[PhoneCall]:
        """So many, a few at a time."""
        calls: list[PhoneCall] = []
        for _ in range(0, count, 5):
            calls += await asyncio.gather(*(self.call() for _ in range(min(5, count - len(calls)))))
        return calls

    def agent_of(self, call: PhoneCall) -> XunaSession:
        """The session that has the call now."""
        mine = [each for each in self.sessions if each.variables["carrier_call_id"] == call.sid and each.heard_pcm.size]
        assert mine, f"no agent has {call.sid}: {call.summary()}"
        return mine[-1]

    async def record(self, call: PhoneCall) -> CallRecord:
        """As the database has it."""
        async with asyncio.timeout(15):
            while (record := await self.calls.get(call.sid)) is None:
                await asyncio.sleep(0.2)
        return record

    async def holder(self, call: PhoneCall) -> Instance | None:
        """The instance that has the call."""
        name = (await self.record(call)).instance
        return next((each for each in self.instances if each.name == name), None)

    async def hang_up(self, call: PhoneCall, through: Instance) -> int:
        """An operator's hang-up, asked of an instance."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        url = f"http://127.0.0.1:{through.port}/api/v1/calls/{call.sid}/hangup"
        async with aiohttp.ClientSession() as http, http.post(url, headers=headers) as answer:
            return answer.status

    async def agents_leave(self, calls: list[PhoneCall]) -> None:
        """Every agent ends its conversation; wait until the calls are over."""
        await asyncio.gather(*(self.agent_of(call).close(1000) for call in calls))
        for call in calls:
            assert await call.ended(timeout=15) == "completed", call.summary()

    async def agents_left(self, count: int) -> None:
        """Wait until no more agents than that have a conversation."""
        async with asyncio.timeout(10):
            while sum(not session.closed for session in self.sessions) > count:
                await asyncio.sleep(0.1)

    async def terminal(self, calls: list[PhoneCall]) -> list[CallRecord]:
        """Their records, once all are closed."""
        async with asyncio.timeout(20):
            while True:
                records = [await self.record(call) for call in calls]
                if all(record.status.terminal for record in records):
                    return records
                await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL of our own."""
    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here (apt-get install postgresql)")
    server = Server(binaries)
    yield server
    server.remove()


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> str:
    """Which proxy stands before them."""
    kind = str(getattr(request, "param", "haproxy"))
    if not Front.installed(kind):
        pytest.skip(f"{kind} is not installed here (apt-get install {kind})")
    return kind


@pytest.fixture
def pinned() -> bool:
    """Whether media sockets come straight to the instance that answered the webhook, by its own ``media_url``."""
    return True


@pytest.fixture
def pooled() -> bool:
    """Whether PgBouncer in transaction mode stands between the instances and their database."""
    return False


@pytest.fixture
async def database_url(server: Server, pooled: bool, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database for a deployment; with four connections for all of it where they are pooled."""
    name = f"many_{tmp_path.name.replace('-', '_').lower()}"
    await server.execute(f'CREATE DATABASE "{name}"')
    if not pooled:
        yield server.url(name)
        return
    with Pooler(pgbouncer(), server, folder=server.folder / tmp_path.name, size=4) as port:
        yield server.url(name).replace(f":{server.port}/", f":{port}/") + "?pgbouncer=true"


@pytest.fixture
async def deployment(
    server: Server, proxy: str, pinned: bool, database_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """Three instances, up and ready."""
    front, *ports = free_ports(4)
    public = f"http://127.0.0.1:{front}"
    where = {f"127.0.0.1:{port}": f"127.0.0.1:{port}" for port in (front, *ports)}
    carrier = Carrier(public_url=public, auth_token=TOKEN, account_sid=ACCOUNT, also=where)
    async with carrier, TwilioRest(carrier) as rest, Xuna(init_within=10.0, pong_within=10.0) as xuna:
        instances = []
        for port in ports:
            config = tmp_path / f"{port}.toml"
            values: dict[str, Any] = {
                "public": public,
                "media": f'media_url = "ws://127.0.0.1:{port}"' if pinned else "",
                "database": database_url,
                "account": ACCOUNT,
                "token": TOKEN,
                "rest": rest.url,
                "key": xuna.api_key,
                "xuna": xuna.url,
                "api": API_KEY,
            }
            config.write_text(CONFIG.format(**values))
            instances.append(Instance(tmp_path, config, port))
        before = Front(proxy, tmp_path, front, ports)
        database = Database(database_url, timeout=10)
        deployment = Deployment(carrier, xuna, instances, Calls(database), server)
        xuna.on_session = deployment.talk
        try:
            await asyncio.gather(*(each.start() for each in instances))
            await before.start()
            yield deployment
        finally:
            await asyncio.gather(*(each.close() for each in instances))
            await before.close()
            await database.close()


@pytest.mark.parametrize("pinned", [False])
@pytest.mark.parametrize("proxy", ["haproxy", "nginx"], indirect=True)
async def test_sockets_that_land_anywhere(deployment: Deployment) -> None:
    """Behind the example proxies a webhook and its socket meet different instances, and every call is one conversation."""
    calls = await deployment.callers(9)
    taken_over = sum(line.get("event") == "call_taken_over" for each in deployment.instances for line in each.lines())
    assert taken_over
    await deployment.agents_left(9)  # those that waited for sockets which went elsewhere have been given back
    for call, through in zip(calls[:3], deployment.instances, strict=True):
        assert await deployment.hang_up(call, through) == 202
    for call in calls[:3]:
        assert await call.ended(timeout=10) == "completed"
    await deployment.agents_leave(calls[3:])
    records = await deployment.terminal(calls)
    assert [str(record.outcome) for record in records] == ["operator_hangup"] * 3 + ["agent_hangup"] * 6
    assert all(len(call.streams) == 1 for call in calls)
    await deployment.agents_left(0)


@pytest.mark.timeout(300)  # half a minute where the machine is its own
async def test_sixty_calls_and_everything_that_befalls_a_deployment(deployment: Deployment) -> None:
    """Sixty calls: a killed instance's are resumed elsewhere, restarts of the database and of every instance cut none."""
    await everything_befalls(deployment, first=15, during=5, after=10, fresh=10)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("pooled", [pytest.param(True, id="pgbouncer")])
async def test_behind_a_pooler_the_same_befalls_a_deployment(deployment: Deployment) -> None:
    """A pooler may lose what a connection was told, and has fewer than the instances want: half of the calls show both."""
    await everything_befalls(deployment, first=15, during=2, after=3, fresh=3)


async def everything_befalls(deployment: Deployment, *, first: int, during: int, after: int, fresh: int) -> None:
    """So many calls at first, while the database is away, when it is back, and beside each instance that is restarted."""
    killed, *_ = deployment.instances

    # Webhooks and sockets land anywhere; an operator hangs up wherever the wall board happens to ask.
    calls = await deployment.callers(first)
    takers = [await deployment.holder(call) for call in calls]
    assert {each.port for each in takers if each} == {each.port for each in deployment.instances}
    hung_up = calls[:3]
    for call, through in zip(hung_up, deployment.instances, strict=True):
        assert await deployment.hang_up(call, through) == 202
    for call in hung_up:
        assert await call.ended(timeout=5) == "completed"
    assert not [(call.summary(), call.documents) for call in calls if len(call.streams) != 1]

    # One instance is killed: its calls go on elsewhere with what was said, the others notice nothing.
    living = calls[3:]
    struck = [call for call in living if await deployment.holder(call) is killed]
    spared = [call for call in living if call not in struck]
    assert struck
    killed.send(signal.SIGKILL)
    await killed.ended()
    for call in struck:
        await call.streaming(count=2, timeout=10)
    for call in struck:
        await call.hears(0.3, timeout=10)
        assert "How can I help?" in str(deployment.agent_of(call).variables.get("previous_transcript")), call.sid
    assert all(len(call.streams) == 1 and not call.over for call in spared)
    await killed.start()

    # The database restarts under load: calls go on, and new ones are taken meanwhile.
    await asyncio.to_thread(deployment.server.stop)
    meanwhile = await deployment.callers(during)
    await asyncio.to_thread(deployment.server.start)
    more = await deployment.callers(after)
    talking = [*living, *meanwhile, *more]
    assert all(not call.over for call in talking)
    assert all(len(call.streams) == 1 for call in talking if call not in struck)

    # Every instance is restarted in turn: it goes when its last call has ended, and no call is cut.
    rolled: list[PhoneCall] = []
    for instance in deployment.instances:
        instance.send(signal.SIGTERM)
        talking += await deployment.callers(fresh)
        await asyncio.sleep(2.5)  # the grace is over: what is left to it now is all that it will have
        assert all(not call.over for call in talking)
        mine = [call for call in talking if await deployment.holder(call) is instance]
        await deployment.agents_leave(mine)
        talking = [call for call in talking if call not in mine]
        rolled += mine
        assert await instance.ended(timeout=20) == 0
        await instance.start()
    await deployment.agents_leave(talking)

    everybody = [*hung_up, *rolled, *talking]
    assert len(everybody) == len({call.sid for call in everybody}) == first + during + after + 3 * fresh
    records = await deployment.terminal(everybody)
    assert {str(record.outcome) for record in records[:3]} == {"operator_hangup"}
    assert {str(record.outcome) for record in records[3:]} == {"agent_hangup"}
    assert sorted(record.carrier_call_id or "" for record in records if record.resumes) == sorted(c.sid for c in struck)
    assert not [call.errors for call in everybody if call.errors and call not in struck]
