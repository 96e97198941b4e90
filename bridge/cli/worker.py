"""``callbridge worker``: the process that places the calls that wait, apart from the one that carries sound."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Final

import structlog

from bridge import threads
from bridge.cli import add_config, with_carrier
from bridge.errors import BridgeError, ConfigurationError
from bridge.settings import Settings

MAX_SIGNALS: Final = 16
NICE: Final = 10  # where processors are scarce, the sound of the server beside comes first
PARENT_S: Final = 1.0  # between looks whether the server that started us is still there


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge worker``."""
    add_config(parser)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Work until a signal; SIGHUP reads the configuration again."""
    signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # until the loop listens: what it would have us read is about to be read

    def load() -> Settings:
        return with_carrier(Settings.load(args.config, os.environ))

    if args.parent is not None:
        os.nice(NICE)
    settings = load()
    from bridge import logs

    logging = logs.configure(settings.logging.level, settings.logging.format, settings.secrets())
    try:

        def again() -> Settings:
            new = load()
            logging.redactor.learn(new.secrets())
            return new

        asyncio.run(_work(settings, again, args.parent))
    except ExceptionGroup as group:
        known, others = group.split(BridgeError)
        if known is None or others is not None:
            raise
        raise known.exceptions[0] from None
    finally:
        logging.close()
    return 0


async def _work(settings: Settings, load: Callable[[], Settings], parent: int | None) -> None:
    from bridge.assembly.worker import name, work  # not before: what is imported here logs

    await threads.begin()
    signals: asyncio.Queue[int] = asyncio.Queue(MAX_SIGNALS)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, _put, signals, number)
    owner = name()
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_watch(parent, signals))
        following: Settings | None = settings
        while following is not None:
            settings, stop = following, asyncio.Event()
            next_one = group.create_task(_next(settings, load, signals))
            next_one.add_done_callback(lambda _, stop=stop: stop.set())  # type: ignore[misc]
            await work(settings, stop, owner=owner, last=lambda told=next_one: told.done() and told.result() is None)  # type: ignore[misc]
            following = await next_one
        watch.cancel()


def _put(signals: asyncio.Queue[int], number: int) -> None:
    with contextlib.suppress(asyncio.QueueFull):
        signals.put_nowait(number)


async def _next(settings: Settings, load: Callable[[], Settings], signals: asyncio.Queue[int]) -> Settings | None:
    """What to go on with, None to end."""
    from bridge.assembly.reloading import merged

    while await signals.get() == signal.SIGHUP:
        try:
            new, changed, restart = merged(settings, await asyncio.to_thread(load))
        except ConfigurationError as error:
            mistakes = [str(mistake) for mistake in error.mistakes]
            structlog.get_logger("bridge.settings").warning("configuration_kept", mistakes=mistakes)
            continue
        structlog.get_logger("bridge.settings").info("configuration_read", changed=changed, restart_needed=restart)
        if changed:
            return new
    return None


async def _watch(parent: int | None, signals: asyncio.Queue[int]) -> None:
    """A worker that a server started ends with it, however that ended: the next server starts its own."""
    if parent is None:
        return
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells a process that its parent is gone
        await asyncio.sleep(PARENT_S)
    _put(signals, signal.SIGTERM)
