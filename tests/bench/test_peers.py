"""The other bridges that ours is measured beside."""

import sys

import pytest

from bench.peers.__main__ import one, peer, reason
from bridge.bench.run import SHAPES, measure, rig


@pytest.mark.skipif(sys.platform != "linux", reason="processor time of another process is read from Linux's /proc")
async def test_the_least_bridge_passes_every_frame() -> None:
    """What costs less because it loses sound is no measure."""
    async with rig(SHAPES["16k"], pinned=False, command=peer("least.py", sys.executable)) as running:
        found = await measure(running, 2, 0.5)
    for way in (found.up, found.down):
        assert way.frames > 0
        assert (way.lost, way.wrong) == (0, 0)
    assert found.cpu_per_call_s > 0


@pytest.mark.skipif(sys.platform != "linux", reason="a run is bound to a core")
async def test_a_peer_that_cannot_be_had_is_passed_over_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Its interpreter lacks a package: the others go on."""
    found = await one("absent", lambda config, agent: [sys.executable, "-c", "import not_installed_here"], 1, 0.1)
    assert found is None
    assert "No module named 'not_installed_here'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "words"),
    [(TimeoutError(), "TimeoutError"), (RuntimeError(" \n"), "RuntimeError"), (OSError("x" * 500), "x" * 400)],
)
def test_a_reason_is_never_blank(error: Exception, words: str) -> None:
    """What has no words of its own is called by its name."""
    assert reason(error) == words
