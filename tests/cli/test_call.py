"""``callbridge call``, against a bridge that only listens."""

import pytest

from bridge.cli import main
from tests.cli.conftest import KEY, Bridge


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


@pytest.mark.parametrize("told", ["<html>hello</html>", [1], {"ok": True}, ""])
def test_what_is_no_bridge_is_told_in_words(bridge: Bridge, capsys: pytest.CaptureFixture[str], told: object) -> None:
    """Some other server answers at the address, and says yes to everything."""
    bridge.answers["POST", "/calls"] = (200, told)
    bridge.answers["POST", "/campaigns/preview"] = (200, told)
    assert main(["call", "+12125550123"]) == 1
    assert "is no bridge" in capsys.readouterr().err
    assert main(["campaign", "preview", __file__]) == 1
    assert "is no bridge" in capsys.readouterr().err
