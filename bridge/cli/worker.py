"""``callbridge worker``: the process that places the calls that wait, apart from the one that carries sound."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from typing import Final

from bridge.cli import add_config, with_carrier
from bridge.settings import Settings

NICE: Final = 10  # where processors are scarce, the sound of the server beside comes first
PARENT_S: Final = 1.0  # between looks whether the server that started us is still there


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge worker``."""
    add_config(parser)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Work until a signal."""
    if args.parent is not None:
        os.nice(NICE)
    settings = with_carrier(Settings.load(args.config, os.environ))
    from bridge import logs

    logging = logs.configure(settings.logging.level, settings.logging.format, settings.secrets())
    try:
        asyncio.run(_work(settings, args.parent))
    finally:
        logging.close()
    return 0


async def _work(settings: Settings, parent: int | None) -> None:
    from bridge.assembly.worker import work  # not before: what is imported here logs

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_watch(parent, stop))
        await work(settings, stop)
        watch.cancel()


async def _watch(parent: int | None, stop: asyncio.Event) -> None:
    """A worker that a server started ends with it, however that ended: the next server starts its own."""
    if parent is None:
        return
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells a process that its parent is gone
        await asyncio.sleep(PARENT_S)
    stop.set()
