"""A real PgBouncer in transaction mode, before a test's PostgreSQL."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.store.postgresql import Server


def pgbouncer() -> str:
    """The program, else the test is skipped."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if found is None:
        pytest.skip("PgBouncer is not installed here (apt-get install pgbouncer)")
    return found


class Pooler:
    """A PgBouncer before the server, with few connections to it for everybody: two, unless ``size`` says otherwise.

    ``ignored``: what a client may ask for at the beginning of a connection without being refused.
    """

    def __init__(self, program: str, server: Server, *, folder: Path, size: int = 2, ignored: str = "") -> None:
        self._server, self._folder, self._program = server, folder, program
        self._size, self._ignored = size, ignored

    def __enter__(self) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": self._size,
            "server_login_retry": 1,  # s; of its own accord it asks a server that was away only after 15
            "ignore_startup_parameters": self._ignored,
        }
        lines = ["[databases]", f"* = host=127.0.0.1 port={self._server.port} user=bridge", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        self._folder.mkdir()
        (self._folder / "pgbouncer.ini").write_text("\n".join(lines))
        self._process = subprocess.Popen(
            [self._program, "-q", str(self._folder / "pgbouncer.ini")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **self._server.account,
        )
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            break
        raise RuntimeError("PgBouncer did not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=10)
