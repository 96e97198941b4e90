"""``callbridge serve``: a tiny parent that holds the listening socket, and a child that answers calls.

When the child dies the socket stays open: the carrier's question what should follow waits in its queue instead of
meeting a refused port, and the new child resumes the calls. ``--single`` does without the parent; under systemd's
socket activation the socket is systemd's.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from bridge.cli import add_config, parent, with_carrier
from bridge.errors import BridgeError
from bridge.settings import Settings

BIND_S: Final = 5.0  # a predecessor may still be letting go of the port
BACKLOG: Final = 1024
SYSTEMD_FD: Final = 3
AT_ONCE_S: Final = 1.5  # after a second signal: what has not been put away by then is left to the next process


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge serve``."""
    add_config(parser)
    parser.add_argument("--host", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="default: $PORT, else 8080; 0: any that is free")
    parser.add_argument("--single", action="store_true", help="no parent process: a supervisor elsewhere restarts it")
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal has drained it."""
    # Until somebody listens to it: what it would have us read is about to be read, and its default ends the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def load() -> Settings:
        overrides = {"server.host": args.host, "server.port": args.port}
        return with_carrier(Settings.load(args.config, os.environ, overrides))

    settings = load()
    if args.fd is not None:
        return _serve(settings, socket.socket(fileno=args.fd), Child(load, _worker(settings, args), args.lifeline))
    listener = _inherited() or _bind(settings.server.host, settings.server.port)
    if not args.single:
        _become_parent(listener, _again(args))
    return _serve(settings, listener, Child(load, _worker(settings, args)))


def _become_parent(listener: socket.socket, command: list[str]) -> NoReturn:
    """A process of half the size: this one has read the settings, and needs none of that any more."""
    os.set_inheritable(listener.fileno(), True)
    small = [sys.executable, "-I", "-S", parent.__file__, str(listener.fileno())]
    os.execv(sys.executable, [*small, *command])  # noqa: S606 - our own interpreter and arguments


def _again(args: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", "bridge", "serve"]
    for name in ("config", "host", "port"):
        value = getattr(args, name)
        if value is not None:
            command += [f"--{name}", str(value)]
    return command


def _worker(settings: Settings, args: argparse.Namespace) -> list[str] | None:
    """The arguments of the worker that this server starts beside itself, None where it runs elsewhere."""
    if not settings.server.worker:
        return None
    return [] if args.config is None else ["--config", args.config]


def _inherited() -> socket.socket | None:
    """systemd's socket, where it started us with one (sd_listen_fds)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    return socket.socket(fileno=SYSTEMD_FD)


def _bind(host: str, port: int) -> socket.socket:
    """Raises BridgeError where nobody can listen there, at once unless a predecessor may be about to let go of it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + BIND_S
    while True:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise BridgeError(
                    f"{host}:{port} cannot be listened on: {error.strerror}.",
                    hint="Choose --host among this machine's own addresses, and a --port that its user may use.",
                ) from None
            if time.monotonic() > until:
                raise BridgeError(
                    f"{host}:{port} is in use.", hint="Stop what listens there, or choose --port."
                ) from None
            time.sleep(0.1)
        else:
            listener.listen(BACKLOG)
            return listener


@dataclass(frozen=True, slots=True)
class Child:
    """What the serving process needs beside its settings: how to read them again, its worker's command, its parent's pipe."""

    load: Callable[[], Settings]
    worker: list[str] | None
    lifeline: int | None = None


def _serve(settings: Settings, listener: socket.socket, child: Child) -> int:
    import asyncio
    import gc

    import structlog
    import uvloop

    from bridge import logs

    cut_short = False
    gc.disable()  # what is imported stays: to look through it again and again costs a third of the start
    logging = logs.configure(settings.logging.level, settings.logging.format, settings.secrets())
    try:
        # Not before: what is imported here logs.
        from bridge import threads
        from bridge.app import House

        def hurry() -> None:
            nonlocal cut_short
            cut_short = True
            asyncio.get_running_loop().call_later(AT_ONCE_S, os._exit, 1)

        async def serve() -> None:
            if child.lifeline is not None:
                asyncio.get_running_loop().add_reader(child.lifeline, _orphaned)
            await threads.begin()
            for warning in settings.warnings:
                structlog.get_logger("bridge.settings").warning("configuration", text=warning)
            house = House(settings, worker=child.worker)
            house.cut_short = hurry
            house.reloading.load, house.reloading.learn = child.load, logging.redactor.learn
            await house.serve([listener])

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        try:
            runner.run(serve())
        finally:
            threads.close(runner)
    finally:
        logging.close()
    return 1 if cut_short else 0


def _orphaned() -> None:
    """The parent was killed: its end of the pipe is closed. Whoever starts it again needs the port."""
    os.kill(os.getpid(), signal.SIGKILL)
