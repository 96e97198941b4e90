"""``callbridge call`` and ``callbridge campaign``, against a bridge that only listens."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main

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


def test_a_call_is_asked_for_with_all_that_was_said(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    """Options become keys of the request; the key of the operator goes along."""
    bridge.answers["POST", "/calls"] = (202, {"call_id": "call_1", "status": "queued", "outcome": None})
    arguments = [
        "call",
        "+12125550123",
        "--from",
        "+12125550100",
        "--var",
        "name=Ada",
        "--key",
        "k",
        "--max-duration",
        "60",
    ]
    assert main(arguments) == 0
    ((_, _, body, headers),) = bridge.asked
    assert body == {
        "to": "+12125550123",
        "from": "+12125550100",
        "variables": {"name": "Ada"},
        "max_duration_s": 60,
    }
    assert (headers["Authorization"], headers["Idempotency-Key"]) == (f"Bearer {KEY}", "k")
    assert "call_1 queued" in capsys.readouterr().out


def test_waiting_tells_how_it_ended(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    """A call that was not completed is exit code 1."""
    bridge.answers["POST", "/calls"] = (202, {"call_id": "call_1", "status": "queued"})
    bridge.answers["GET", "/calls/call_1"] = (
        200,
        {"call_id": "call_1", "status": "busy", "outcome": {"reason": "busy"}},
    )
    assert main(["call", "+12125550123", "--wait"]) == 1
    assert capsys.readouterr().out == "call_1 busy busy\n"


def test_waiting_tells_what_the_carrier_said(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    """In words, where it said anything."""
    outcome = {"reason": "carrier_refused", "detail": "Twilio refused: not your number (HTTP 400, code 21210)"}
    bridge.answers["POST", "/calls"] = (202, {"call_id": "call_1", "status": "failed", "outcome": outcome})
    assert main(["call", "+12125550123", "--wait"]) == 1
    assert capsys.readouterr().out == f"call_1 failed carrier_refused: {outcome['detail']}\n"


def test_a_refusal_is_told_with_its_remedy(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the bridge's own words."""
    bridge.answers["POST", "/calls"] = (422, {"detail": "It cannot be.", "remedy": "Do that."})
    assert main(["call", "+12125550123"]) == 1
    assert "It cannot be. (HTTP 422) Do that." in capsys.readouterr().err


def test_without_a_key_nothing_is_asked(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which variable to set."""
    monkeypatch.delenv("BRIDGE_API_KEY")
    assert main(["call", "+12125550123"]) == 1
    assert not bridge.asked


def test_a_campaign_is_created_started_and_its_results_saved(
    bridge: Bridge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list goes as it is, the rules from TOML; every skipped line is told."""
    (tmp_path / "people.csv").write_text("number,name\n+12125550123,Ada\nbad,Bob\n")
    (tmp_path / "rules.toml").write_text('hours = ["mon-fri 09:00-17:00"]\nnot_after = 2026-12-01T00:00:00Z\n')
    preview = {"summary": "1 will be called, 1 skipped", "lines": [{"line": 3, "why": "not in E.164"}]}
    bridge.answers["POST", "/campaigns"] = (201, {"campaign_id": "camp_1", "state": "draft", **preview})
    bridge.answers["POST", "/campaigns/camp_1/start"] = (202, {"campaign_id": "camp_1", "state": "running"})
    bridge.answers["GET", "/campaigns/camp_1/results"] = (200, "line,number\r\n")
    people, rules = str(tmp_path / "people.csv"), str(tmp_path / "rules.toml")
    assert main(["campaign", "create", people, "--rules", rules, "--start"]) == 0
    assert bridge.asked[0][2]["rules"] == {"hours": ["mon-fri 09:00-17:00"], "not_after": "2026-12-01T00:00:00+00:00"}
    out = capsys.readouterr().out
    assert "camp_1 running" in out
    assert "line 3: not in E.164" in out
    assert main(["campaign", "results", "camp_1", "--out", str(tmp_path / "r.csv")]) == 0
    assert (tmp_path / "r.csv").read_bytes() == b"line,number\r\n"


def test_suppressions_come_from_a_file(bridge: Bridge, tmp_path: Path) -> None:
    """A number a line, with or without a head."""
    (tmp_path / "numbers.txt").write_text("number\n+12125550123\n\n+12125550124\n")
    bridge.answers["POST", "/suppressions"] = (200, {"added": 2, "known": 0})
    assert main(["campaign", "suppress", f"@{tmp_path}/numbers.txt"]) == 0
    assert bridge.asked[0][2] == {"numbers": ["+12125550123", "+12125550124"]}


@pytest.mark.parametrize("told", ["<html>hello</html>", [1], {"ok": True}, ""])
def test_what_is_no_bridge_is_told_in_words(bridge: Bridge, capsys: pytest.CaptureFixture[str], told: object) -> None:
    """Some other server answers at the address, and says yes to everything."""
    bridge.answers["POST", "/calls"] = (200, told)
    bridge.answers["POST", "/campaigns/preview"] = (200, told)
    assert main(["call", "+12125550123"]) == 1
    assert "is no bridge" in capsys.readouterr().err
    assert main(["campaign", "preview", __file__]) == 1
    assert "is no bridge" in capsys.readouterr().err


def test_results_that_cannot_be_saved_are_told_in_words(
    bridge: Bridge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is named, and what is wrong with it."""
    bridge.answers["GET", "/campaigns/camp_1/results"] = (200, "line,number\r\n")
    file = tmp_path / "nowhere" / "r.csv"
    assert main(["campaign", "results", "camp_1", "--out", str(file)]) == 1
    assert f"{file} cannot be used: No such file or directory." in capsys.readouterr().err
