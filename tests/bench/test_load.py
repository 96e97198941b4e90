"""A whole bridge under a small load: wrong results fail, times never do."""

import pytest

from bridge.bench.process import cores
from bridge.bench.run import SHAPES, burst, law, measure, rig

CALLS = 20
SECONDS = 3.0


@pytest.mark.parametrize("agent", ["16k", "24k"])
async def test_every_frame_of_every_call_arrives_once_in_order_and_to_the_sample(agent: str) -> None:
    """20 calls at once: nothing is lost, repeated, reordered or changed, in either direction, and no call is dropped."""
    async with rig(SHAPES[agent], pinned=False) as running:
        found = await measure(running, CALLS, SECONDS)
    assert found.dropped == 0
    for way in (found.up, found.down):
        assert way.frames >= CALLS * SECONDS * 50
        assert way.lost == 0
        assert way.wrong == 0
    assert running.load.agent.late_pongs == 0
    assert found.correct


async def test_r02_open_files_are_two_for_each_call() -> None:
    """a + 2N exactly, with 0, 5, 10 and 20 calls up and with none afterwards: a socket of the carrier, one of the agent."""
    async with rig(SHAPES["16k"], pinned=False, keep_alive=False) as running:
        found = await law(running, (0, 5, 10, 20, 0))
    (_, rest), *more = found
    assert more == [(count, rest + 2 * count) for count, _ in more]


async def test_a_load_that_loses_frames_is_noticed() -> None:
    """The meter itself: a frame that is swallowed, changed or repeated is counted as that."""
    from bridge.bench.run import WIDE
    from bridge.bench.sound import downlink
    from bridge.bench.track import Tally, Track

    book, tally = downlink(WIDE), Tally()
    made = {number: payload for payload, number in book.known.items()}
    track = Track(book, tally)
    for _ in range(10):
        track.send(0.0)
    for number in (0, 1, 3, 3, 4):
        track.arrived(made[number], 0.1)
    assert (tally.lost, tally.repeated, tally.changed) == (1, 1, 0)
    changed = made[5][:-8] + b"AAAA" + made[5][-4:]
    track.arrived(changed, 0.2)
    assert (tally.lost, tally.repeated, tally.changed) == (1, 1, 1)
    track.arrived(b"!", 0.2)
    assert tally.unreadable == 1
    track.close()
    assert tally.lost == 1 + 4


def test_two_cores_are_used_where_there_are_two() -> None:
    """The bridge and the load do not share one, or it is known that they do."""
    found = cores()
    assert found is None or found[0] != found[1]


async def test_a_bridge_that_takes_no_calls_is_told_in_words() -> None:
    """Overrun, refusing or gone: what did not come up is said, and no traceback is all that is left."""
    async with rig(SHAPES["16k"], pinned=False) as running:
        running.bridge.process.kill()
        running.bridge.process.wait()
        with pytest.raises(RuntimeError, match="call 2 did not come up"):
            await measure(running, 3, 0.1)
        assert running.load.calls == []
        assert await burst(running, rate=20, seconds=0.2, talk_s=0.0) == []
        assert len(running.load.troubles) == 4
