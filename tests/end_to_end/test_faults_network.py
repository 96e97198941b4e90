"""Names and certificates: what stands between the bridge and an agent is slow, or is not whom it says it is."""

import asyncio
import contextlib
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
from tests.support.house import PUBLIC, TOKEN
from tests.support.scene import LINE, scene, xuna_toml

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
