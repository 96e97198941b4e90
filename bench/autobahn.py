"""The Autobahn test suite against both ends of our WebSocket: ``python -m bench.autobahn path/to/wstest``.

``wstest`` comes with ``pip install autobahntestsuite`` under Python 2.7, the only one that it runs on. Groups 9 (limits
and speed), 12 and 13 (compression, which neither end offers) are left out. What must stay true of a new version of the
library is in tests/runtime/test_sockets_conformance.py; this is the whole of it, by hand.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from bridge.call.ports import Secret
from bridge.errors import AgentFailure
from bridge.runtime import sockets
from bridge.runtime.sockets import Socket, connect, serve_upgrade

CASES = {"cases": ["*"], "exclude-cases": ["9.*", "12.*", "13.*"], "exclude-agent-cases": {}}
LARGE = 1 << 20
AGENT = "callbridge"


class Echo(Socket):
    """Says everything back, binary messages too."""

    def __init__(self, *, max_message: int) -> None:
        super().__init__(max_message=max_message)
        self.over = asyncio.Event()
        self.heard = b""

    @property
    def receiver(self) -> Echo:
        """Itself, whatever it is told."""
        return self

    @receiver.setter
    def receiver(self, receiver: object) -> None:
        del receiver

    def _deliver(self, message: bytes, *, text: bool) -> None:
        if text:
            super()._deliver(message, text=True)
        else:
            self._transport.send(sockets.BINARY, message)

    def received(self, message: bytes) -> None:
        """A text."""
        self.heard = message
        self.send(message)

    def received_binary(self, size: int) -> None:
        """Never: binary messages are said back before."""

    def answered(self) -> None:
        """A pong."""

    def closed(self, code: int, detail: str) -> None:
        """The end."""
        del code, detail
        self.over.set()


class Door(asyncio.Protocol):
    """Reads a head and hands the connection over, as the front door does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client."""
        self._transport = transport
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """A part of its head."""
        self._head += data
        if b"\r\n\r\n" in self._head:
            serve_upgrade(self._transport, self._head, lambda request: Echo(max_message=LARGE), max_message=LARGE)  # type: ignore[arg-type]


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def server_side(wstest: str, folder: Path) -> None:
    """Autobahn as a client of ours."""
    port = free_port()
    server = await asyncio.get_running_loop().create_server(Door, "127.0.0.1", port)
    spec = CASES | {"outdir": str(folder / "server"), "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}]}
    (folder / "client.json").write_text(json.dumps(spec))
    run = await asyncio.create_subprocess_exec(
        wstest, "-m", "fuzzingclient", "-s", str(folder / "client.json"), stdout=asyncio.subprocess.DEVNULL
    )
    await run.wait()
    server.close()


async def client_side(wstest: str, folder: Path) -> None:
    """Autobahn as a server that we connect to."""
    port = free_port()
    spec = CASES | {"outdir": str(folder / "client"), "url": f"ws://127.0.0.1:{port}"}
    (folder / "server.json").write_text(json.dumps(spec))
    run = await asyncio.create_subprocess_exec(
        wstest, "-m", "fuzzingserver", "-s", str(folder / "server.json"), stdout=asyncio.subprocess.DEVNULL
    )
    sockets.Socket = Echo  # type: ignore[misc]  # what connect makes
    base = f"ws://127.0.0.1:{port}"
    try:
        count = int(await _visit(f"{base}/getCaseCount", patience=50))
        for case in range(1, count + 1):
            await _visit(f"{base}/runCase?case={case}&agent={AGENT}")
        await _visit(f"{base}/updateReports?agent={AGENT}")
    finally:
        sockets.Socket = Socket  # type: ignore[misc]
        run.terminate()
        await run.wait()


async def _visit(url: str, *, patience: int = 1) -> bytes:
    for _ in range(patience):
        try:
            found = await connect(Secret(url), None, timeout_s=5)  # type: ignore[arg-type]
        except AgentFailure:
            await asyncio.sleep(0.1)
            continue
        assert isinstance(found, Echo)
        await asyncio.wait_for(found.over.wait(), 30)
        return found.heard
    return b"0"


def verdicts(folder: Path) -> Counter[str]:
    """How the cases went; what did not pass is printed."""
    told: Counter[str] = Counter()
    report = json.loads((folder / "index.json").read_text())
    for case, found in sorted(report[AGENT].items()):
        told[found["behavior"]] += 1
        if found["behavior"] not in ("OK", "INFORMATIONAL", "NON-STRICT") or found["behaviorClose"] == "FAILED":
            print(f"  {case}: {found['behavior']}, close {found['behaviorClose']}")
    return told


async def main(wstest: str) -> int:
    """Both sides; 1 where a case failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, run in (("server", server_side), ("client", client_side)):
            await run(wstest, folder)
            told = verdicts(folder / side)
            failed += told["FAILED"]
            print(f"{side}: {sum(told.values())} cases, {dict(told)}")
    return 1 if failed else 0


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(sys.argv[1])))
