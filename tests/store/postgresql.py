"""A real PostgreSQL for the tests: started on a free port of loopback, thrown away at the end."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import asyncpg

SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "60"}


def programs() -> Path | None:
    """Where initdb and postgres are, None where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = shutil.which("initdb")
    return found[-1].parent if found else Path(path).parent if path else None


def _account() -> str:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return getpass.getuser()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Server:
    """One cluster. ``freeze`` and ``thaw`` stop and continue all of its processes: it is there and does not answer."""

    def __init__(self, binaries: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="callbridge-pg-"))
        account = _account()
        self.account: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(account)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self.account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._binaries = binaries
        self._quiet: dict[str, Any] = {
            "cwd": self.folder,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            **self.account,
        }
        data = str(self.folder / "data")
        initdb = [
            str(binaries / "initdb"),
            "-D",
            data,
            "-U",
            "bridge",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(initdb, check=True, timeout=60, **self._quiet)
        self._arguments = [
            str(binaries / "postgres"),
            "-D",
            data,
            "-p",
            str(self.port),
            "-h",
            "127.0.0.1",
            "-k",
            str(self.folder),
        ]
        self._arguments += [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self.start()

    def start(self) -> None:
        """Start the cluster and wait until it takes connections."""
        self._process = subprocess.Popen(self._arguments, **self._quiet)
        ready = [str(self._binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        for _ in range(200):
            if subprocess.run(ready, timeout=10, check=False, **self._quiet).returncode == 0:
                return
            try:
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            break
        raise RuntimeError("PostgreSQL did not start")

    def stop(self) -> None:
        """Cut every connection and end."""
        self.thaw()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def remove(self) -> None:
        """End, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.folder)

    def freeze(self) -> None:
        """Stop every process of the cluster where it stands."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        pids = [self._process.pid, *map(int, children.read_text().split())] if children.exists() else []
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def url(self, name: str = "postgres") -> str:
        """As a user would write it."""
        return f"postgresql://bridge:s3cret-word@127.0.0.1:{self.port}/{name}"

    async def execute(self, statement: str) -> None:
        """Run a statement outside of any transaction."""
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
