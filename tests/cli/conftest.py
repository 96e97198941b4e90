"""A bridge that only listens, for commands that ask one."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

KEY = "operator-key-0123456789"


class Bridge(HTTPServer):
    """Remembers what was asked, and answers what it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Bridge

    def do_POST(self) -> None:
        """Any method."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.removeprefix("/api/v1")
        self.server.asked.append((self.command, path, json.loads(raw) if raw else None, dict(self.headers)))
        status, body = self.server.answers.get((self.command, path), (404, {"detail": "nothing", "remedy": "none"}))
        text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PATCH = do_POST  # noqa: N815 - the library's names

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    """It, and the environment that names it."""
    with Bridge() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("BRIDGE_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("BRIDGE_API_KEY", KEY)
        yield server
        server.shutdown()
        thread.join()
