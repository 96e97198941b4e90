"""Several bridges as processes of their own, and the proxy before them, for tests of what a deployment survives."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]
PORTS = ("8081", "8082", "8083")  # of the instances, in the examples
FRONT = "8443"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Instance:
    """``callbridge serve`` on a port. ``--single`` unless ``parent``: a supervisor elsewhere would restart it."""

    def __init__(
        self, folder: Path, config: Path, port: int, *, parent: bool = False, environ: dict[str, str] | None = None
    ) -> None:
        self.port = port
        self._runs = 0
        self._folder = folder
        self._parent = parent
        self._environ = {
            key: value for key, value in os.environ.items() if not key.startswith(("BRIDGE_", "COVERAGE_"))
        }
        self._environ |= {"BRIDGE_CONFIG": str(config), **(environ or {})}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What this run has said."""
        return self._folder / f"{self.port}-{self._runs}.log"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        found = []
        for line in self.log.read_text().splitlines():
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue  # half written
        return found

    @property
    def name(self) -> str:
        """As it calls itself in this run; of a parent's children the newest."""
        return str([line["instance"] for line in self.lines() if line.get("event") == "serving"][-1])

    async def start(self) -> None:
        """Start, and wait until it takes calls."""
        self._runs += 1
        self._spawn()
        await self.ready()

    def _spawn(self) -> None:
        command = [sys.executable, "-m", "bridge", "serve", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command + ([] if self._parent else ["--single"]),
                cwd=self._folder,
                env=self._environ,
                stdout=log,
                stderr=log,
            )

    async def ready(self, *, timeout: float = 60.0) -> None:
        """Wait until it takes calls."""
        async with asyncio.timeout(timeout), aiohttp.ClientSession() as http:
            while True:
                assert self.alive, self.log.read_text()[-4000:]
                try:
                    async with http.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)

    def children(self) -> list[int]:
        """Processes that it has started."""
        assert self.process is not None
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, *, timeout: float = 30.0) -> int:
        """Wait for its end; the exit code."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, timeout)

    async def close(self) -> None:
        """End it, however it stands."""
        if self.process is not None and self.alive:
            self.process.kill()
            await self.ended()


class Front:
    """A real proxy with the example configuration of ``deploy/``, its ports put in the place of the example's."""

    def __init__(self, kind: str, folder: Path, port: int, ports: list[int]) -> None:
        self.kind, self.port = kind, port
        self._folder = folder / kind
        self._folder.mkdir()
        program = shutil.which(kind) or shutil.which(kind, path="/usr/sbin")
        assert program is not None
        if kind == "haproxy":
            text = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
        else:
            text = (ROOT / "deploy/nginx/callbridge.conf").read_text()
        for old, new in zip((FRONT, *PORTS), (port, *ports), strict=True):
            text = text.replace(f":{old}", f":{new}")
        self.config = self._folder / "example.conf"
        self.config.write_text(text)
        if kind == "haproxy":
            self._command = [program, "-db", "-f", str(self.config)]
            self.check_command = [program, "-c", "-f", str(self.config)]
        else:
            whole = self._folder / "nginx.conf"
            whole.write_text(
                f"daemon off;\nworker_processes 1;\npid {self._folder}/nginx.pid;\nerror_log stderr;\n"
                f"events {{ worker_connections 1000; }}\nhttp {{\naccess_log off;\n"
                + "".join(
                    f"{each}_temp_path {self._folder}/{each};\n"
                    for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
                )
                + f"include {self.config};\n}}\n"
            )
            self._command = [program, "-p", str(self._folder), "-e", "stderr", "-c", str(whole)]
            self.check_command = [*self._command, "-t"]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    @staticmethod
    def installed(kind: str) -> bool:
        """Whether it can be had here."""
        return (shutil.which(kind) or shutil.which(kind, path="/usr/sbin")) is not None

    async def start(self) -> None:
        """Start, and wait until it passes requests on."""
        self._spawn()
        async with asyncio.timeout(10), aiohttp.ClientSession() as http:
            while True:
                assert self.alive, (self._folder / "log").read_text()
                try:
                    async with http.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)

    def _spawn(self) -> None:
        with (self._folder / "log").open("wb") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)

    async def close(self) -> None:
        """End it."""
        if self.process is not None and self.alive:
            self.process.terminate()
            await asyncio.to_thread(self.process.wait, 10)
