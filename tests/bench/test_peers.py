"""The other bridges that ours is measured beside."""

import sys

import pytest

from bench.peers.__main__ import peer
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
