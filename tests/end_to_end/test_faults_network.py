"""Names and certificates: what stands between the bridge and an agent is slow, or is not whom it says it is."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import Reason
from tests.acceptance import bridge as ours
from tests.acceptance.bridge import serving
from tests.standins.twilio import Carrier
from tests.standins.xuna import Xuna
from tests.support.blackhole import BlackHole
from tests.support.house import PUBLIC, TOKEN
from tests.support.scene import LINE, eventually, scene, xuna_toml

FALLBACK = LINE + 'fallback = { say = "Please call again." }\n'
SLOW_HOST = "slow.agent.example"


@pytest.mark.parametrize("where", ["api", "socket"])
async def test_f48_a_slow_resolver_keeps_to_the_budget(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds for a name: the caller is told after the agent's start time, and a call to another agent has no gap."""
    asked = asyncio.Event()
    loop = type(asyncio.get_running_loop())
    resolve = loop.getaddrinfo

    async def slow(self: Any, host: Any, *more: Any, **named: Any) -> Any:
        if host == SLOW_HOST:
            asked.set()
            await asyncio.sleep(10)
        return await resolve(self, host, *more, **named)

    monkeypatch.setattr(loop, "getaddrinfo", slow)
    async with Xuna(socket_base=f"wss://{SLOW_HOST}") as distant:
        base = f"https://{SLOW_HOST}" if where == "api" else distant.url
        more = f'start_timeout_s = 1.5\nwebsocket_hosts = ["{SLOW_HOST}"]'
        slow_agent = xuna_toml(distant, "slow", more=more).replace(distant.url, base)
        lines = FALLBACK.replace('"support"', '"slow"') + '[[lines]]\nnumber = "+15550101"\nagent = "second"\n'
        async with scene(tmp_path, agent="\n" + slow_agent, lines=lines) as cast:
            other = await cast.carrier.call(to="+15550101", from_="+15550123499")
            session = await cast.backup.session()
            await other.streaming()
            await session.say(2.0, frequency=997)
            began = time.monotonic()
            call = await cast.carrier.call()
            assert await call.ended(timeout=4.0) == "completed"
            assert time.monotonic() - began < 3.5
            assert asked.is_set()
            assert call.said == ["Please call again."]
            assert (await cast.record(call)).outcome is Reason.AGENT_TIMEOUT
            await other.hears(1.9)
            await other.silent_for(0.1)
            assert other.stream is not None
            assert [length for _, length in other.stream.playout.spans] == [pytest.approx(16_000, abs=4)]


@pytest.mark.skipif(not BlackHole.possible(), reason="there is no IPv6 loopback here")
async def test_f48_a_broken_ipv6_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's name has an IPv6 address that swallows everything, and an IPv4 one: API and socket are had by the latter."""
    loop = type(asyncio.get_running_loop())
    resolve = loop.getaddrinfo
    asked: list[str] = []

    async def both(self: Any, host: Any, port: Any, **more: Any) -> Any:
        if host != SLOW_HOST:
            return await resolve(self, host, port, **more)
        asked.append(host)
        found = [(socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))]
        return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in found]

    monkeypatch.setattr(loop, "getaddrinfo", both)
    async with Xuna() as distant:
        distant.socket_base = f"ws://{SLOW_HOST}:{distant.port}"
        more = f'allow_insecure = true\nwebsocket_hosts = ["{SLOW_HOST}"]'
        agent = xuna_toml(distant, "distant", more=more).replace("127.0.0.1", SLOW_HOST)
        lines = LINE.replace('"support"', '"distant"')
        with BlackHole(distant.port):
            async with scene(tmp_path, agent="\n" + agent, lines=lines) as cast:
                began = time.monotonic()
                call = await cast.carrier.call()
                session = await distant.session()
                assert time.monotonic() - began < 2.0
                await call.streaming()
                await session.say(0.3)
                await call.hears(0.25)
                assert len(asked) == 2
                await call.hang_up()
                await session.gone()


class Authority:
    """Certificates for tests, made with the ``openssl`` command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = self._issue("authority", subject="/CN=Authority of a test", own=True)

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=20)

    def _issue(
        self, name: str, *, subject: str = "/CN=agent", own: bool = False, address: str = "", days: int = 2
    ) -> Path:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
        if own:
            more = ("-addext", f"subjectAltName={address}") if address else ()
            self._openssl("req", "-x509", *key, "-out", f"{name}.pem", "-subj", subject, "-days", str(days), *more)
            return self.folder / f"{name}.pem"
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={address}\n")
        self._openssl("req", *key, "-out", f"{name}.csr", "-subj", subject)
        signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-extfile", f"{name}.ext")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", str(days), *signed)
        return self.folder / f"{name}.pem"

    def context(self, name: str, **how: Any) -> ssl.SSLContext:
        """For a server that shows such a certificate."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self._issue(name, **how), self.folder / f"{name}.key")
        return made


@asynccontextmanager
async def encrypted(context: ssl.SSLContext, target: int) -> AsyncIterator[int]:
    """TLS before a server of loopback; its port."""
    links: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target)
        links.update({asyncio.create_task(carry(reader, back)), asyncio.create_task(carry(there, writer))})

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)


async def test_f49_a_certificate_that_is_not_the_agents_is_refused(tmp_path: Path) -> None:
    """Self-signed, of another host, expired, or only on the socket: agent_tls and the fallback; the right one is taken."""
    (tmp_path / "tls").mkdir()
    authority = Authority(tmp_path / "tls")
    contexts = {
        "right": authority.context("right", address="IP:127.0.0.1"),
        "unknown": authority.context("unknown", address="IP:127.0.0.1", own=True),
        "wrong_host": authority.context("wrong_host", address="DNS:agent.example.com"),
        "expired": authority.context("expired", address="IP:127.0.0.1", days=-1),
    }
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(Xuna(init_within=10.0, pong_within=10.0))
        ports = {
            name: await stack.enter_async_context(encrypted(context, server.port)) for name, context in contexts.items()
        }
        agents = {name: f"https://127.0.0.1:{port}" for name, port in ports.items()} | {"socket": server.url}
        lines = [
            f'[[lines]]\nnumber = "+1555010{number}"\nagent = "{name}"\nfallback = {{ say = "Please call again." }}\n'
            for number, name in enumerate(agents, 100)
        ]
        tables = "".join(
            ours.xuna(server, 'websocket_hosts = ["127.0.0.1"]', name=name).replace(server.url, url)
            for name, url in agents.items()
        )
        bridge = await stack.enter_async_context(
            serving(
                tmp_path,
                ours.configuration(tmp_path, tables, lines="".join(lines), more='[logging]\nformat = "json"\n'),
                "--single",
                env={"SSL_CERT_FILE": str(authority.file)},
            )
        )
        carrier = await stack.enter_async_context(Carrier(public_url=PUBLIC, address=bridge.address, auth_token=TOKEN))
        for number, name in enumerate(agents, 100):
            server.socket_base = f"wss://127.0.0.1:{ports['right' if name == 'right' else 'unknown']}"
            call = await carrier.call(to=f"+1555010{number}")
            if name == "right":
                session = await server.session()
                await call.streaming()
                await session.say(0.3)
                await call.hears(0.25)
                await call.hang_up()
                await session.gone()
                continue
            assert await call.ended(timeout=4.0) == "completed"
            assert call.said == ["Please call again."]
            assert (await bridge.record(call.sid))["outcome"]["reason"] == "agent_tls", name


@asynccontextmanager
async def speaking_tls_1_1(folder: Path, name: str) -> AsyncIterator[int]:
    """A server that offers TLS 1.1 at the most, with this certificate; its port."""
    port = ours.free_port()
    command = ("openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", f"{name}.pem", "-key", f"{name}.key")
    process = await asyncio.create_subprocess_exec(
        *(*command, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-quiet"),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:

        async def listens() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            return True

        await eventually(listens, "a server of TLS 1.1")
        yield port
    finally:
        process.kill()
        await process.wait()


async def test_f49_tls_that_is_out_of_date_and_certificates_changed_in_mid_run(tmp_path: Path) -> None:
    """TLS 1.1 only, at the API or the socket: agent_tls. A certificate renewed by the same authority is taken by the next
    call, one of another authority is not; the call that is on stays on.
    """
    (tmp_path / "tls").mkdir()
    authority = Authority(tmp_path / "tls")
    changing = authority.context("first", address="IP:127.0.0.1")
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(Xuna(init_within=10.0, pong_within=10.0))
        authority.context("past", address="IP:127.0.0.1")
        past = await stack.enter_async_context(speaking_tls_1_1(tmp_path / "tls", "past"))
        now = await stack.enter_async_context(encrypted(changing, server.port))
        agents = {
            "current": f"https://127.0.0.1:{now}",
            "past_api": f"https://127.0.0.1:{past}",
            "past_socket": server.url,
        }
        lines = [
            f'[[lines]]\nnumber = "+1555010{number}"\nagent = "{name}"\nfallback = {{ say = "Please call again." }}\n'
            for number, name in enumerate(agents)
        ]
        tables = "".join(
            ours.xuna(server, 'websocket_hosts = ["127.0.0.1"]', name=name).replace(server.url, url)
            for name, url in agents.items()
        )
        text = ours.configuration(tmp_path, tables, lines="".join(lines), more='[logging]\nformat = "json"\n')
        bridge = await stack.enter_async_context(
            serving(tmp_path, text, "--single", env={"SSL_CERT_FILE": str(authority.file)})
        )
        carrier = await stack.enter_async_context(Carrier(public_url=PUBLIC, address=bridge.address, auth_token=TOKEN))

        async def refused(to: str) -> None:
            call = await carrier.call(to=to)
            assert await call.ended(timeout=4.0) == "completed"
            assert call.said == ["Please call again."]
            assert (await bridge.record(call.sid))["outcome"]["reason"] == "agent_tls"

        server.socket_base = f"wss://127.0.0.1:{past}"
        await refused("+15550101")
        await refused("+15550102")
        server.socket_base = f"wss://127.0.0.1:{now}"
        first = await carrier.call(to="+15550100")
        session = await server.session()
        await first.streaming()
        renewed = authority.context("renewed", address="IP:127.0.0.1")
        assert renewed is not changing
        changing.load_cert_chain(tmp_path / "tls" / "renewed.pem", tmp_path / "tls" / "renewed.key")
        second = await carrier.call(to="+15550100", from_="+15550123499")
        other = await server.session()
        await second.streaming()
        for call, agent in ((first, session), (second, other)):
            await agent.say(0.3)
            await call.hears(0.25)
        authority.context("foreign", address="IP:127.0.0.1", own=True)
        changing.load_cert_chain(tmp_path / "tls" / "foreign.pem", tmp_path / "tls" / "foreign.key")
        server.socket_base = f"wss://127.0.0.1:{now}"
        await refused("+15550100")
        await session.say(0.3)
        await first.hears(0.25)
        for call, agent in ((first, session), (second, other)):
            await call.hang_up()
            await agent.gone()
