"""The measured process tells how it is."""

import asyncio

from bridge.bench.run import SHAPES, rig


async def test_how_late_the_loop_is_is_told_from_when_it_is_watched() -> None:
    """Nothing before, so that it costs nothing where nobody asks; and a reset begins anew."""
    async with rig(SHAPES["16k"], pinned=False) as running:
        bridge = running.bridge
        assert (await bridge.report()).lags == ()
        await bridge.watch()
        async with asyncio.timeout(10):
            while not (report := await bridge.report()).lags:
                await asyncio.sleep(0.02)
        assert all(lag >= 0 for lag in report.lags)
        assert (await bridge.report(reset=True)).lags == ()
