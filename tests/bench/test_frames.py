"""What a frame costs in one process."""

import asyncio

from bench.frames import Bench, Clock, Wire, connecting, lap


def test_every_frame_goes_through_the_calls_own_rules() -> None:
    """Both ways, message for message, with the marks and timers of a real call: else the figures are of something else."""

    async def run() -> None:
        clock = asyncio.get_running_loop()
        assert isinstance(clock, Clock)
        wires: asyncio.Queue[Wire] = asyncio.Queue(2)
        with connecting(wires):
            benches = [Bench(number, wires) for number in range(2)]
            for bench in benches:
                await bench.connect()
        for _ in range(60):
            up, down = await lap(benches, clock)
            assert up > 0
            assert down > 0
        for bench in benches:
            assert bench.agent.sent == 1 + 60  # its greeting
            marks = bench.phone.sent - 60
            assert 2 <= marks <= 12
            assert bench.session.record.latency.first_word_ms is not None
            assert bench.session.machine.call.playback.dropped == 0
            bench.task.cancel()
        await asyncio.wait({bench.task for bench in benches})

    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(run())
