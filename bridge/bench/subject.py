"""The bridge as it is measured: what ``callbridge serve`` runs, with a line to whoever measures.

``python -m bridge.bench.subject CONFIG LISTENER_FD CONTROL_FD``
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvloop

from bridge.app import House
from bridge.bench.control import Control
from bridge.settings import Settings


async def serve(config: str, listener: int, control: int) -> None:
    """Serve until the other end of the control socket is gone."""
    line = Control(control)
    house = House(Settings.load(config, {}))
    serving = asyncio.create_task(house.serve([socket.socket(fileno=listener)]))
    telling = asyncio.create_task(line.run())
    await asyncio.wait({serving, telling}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()


def main() -> None:
    """Run."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))


if __name__ == "__main__":
    main()
