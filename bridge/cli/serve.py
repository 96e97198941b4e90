"""``callbridge serve``: a tiny parent that holds the listening socket, and a child that answers calls.

When the child dies the socket stays open: the carrier's question what should follow waits in its queue instead of
meeting a refused port, and the new child resumes the calls. ``--single`` does without the parent; under systemd's
socket activation the socket is systemd's.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final

from bridge.cli import add_config, with_carrier
from bridge.settings import Settings

BIND_S: Final = 5.0  # a predecessor may still be letting go of the port
BACKLOG: Final = 1024
FAST_S: Final = 2.0  # a child that dies so soon did not get to work
MAX_FAST: Final = 5  # in a row
SYSTEMD_FD: Final = 3


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

    def load() -> Settings:
        overrides = {"server.host": args.host, "server.port": args.port}
        return with_carrier(Settings.load(args.config, os.environ, overrides))

    settings = load()
    if args.fd is not None:
        return _serve(settings, socket.socket(fileno=args.fd), Child(load, _worker(settings, args), args.lifeline))
    listener = _inherited() or _bind(settings.server.host, settings.server.port)
    if listener is None:
        print(
            f"{settings.server.host}:{settings.server.port} is in use. Stop what listens there, or choose --port.",
            file=sys.stderr,
        )
        return 1
    if args.single:
        return _serve(settings, listener, Child(load, _worker(settings, args)))
    return Parent(listener, _again(args)).run()


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


def _bind(host: str, port: int) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + BIND_S
    while True:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            listener.close()
            if time.monotonic() > until:
                return None
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

    import structlog
    import uvloop

    from bridge import logs

    logging = logs.configure(settings.logging.level, settings.logging.format, settings.secrets())
    try:
        # Not before: what is imported here logs.
        from bridge.app import House

        async def serve() -> None:
            if child.lifeline is not None:
                asyncio.get_running_loop().add_reader(child.lifeline, _orphaned)
            for warning in settings.warnings:
                structlog.get_logger("bridge.settings").warning("configuration", text=warning)
            house = House(settings, worker=child.worker)
            house.reloading.load, house.reloading.learn = child.load, logging.redactor.learn
            await house.serve([listener])

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    finally:
        logging.close()
    return 0


def _orphaned() -> None:
    """The parent was killed: its end of the pipe is closed. Whoever starts it again needs the port."""
    os.kill(os.getpid(), signal.SIGKILL)


class Parent:
    """Keeps one child running. Signals go on to it; its orderly end is ours."""

    def __init__(self, listener: socket.socket, command: list[str]) -> None:
        self._listener = listener
        self._lifeline, self._held = os.pipe()  # the child sees its end close when we are gone, however we went
        self._command = [*command, "--fd", str(listener.fileno()), "--lifeline", str(self._lifeline)]
        self._child: subprocess.Popen[bytes] | None = None
        self._leaving = False

    def run(self) -> int:
        """Start, watch, restart; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        fast = 0
        while True:
            began = time.monotonic()
            # A group of its own: Ctrl-C reaches the child once, through us.
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                self._command, pass_fds=[self._listener.fileno(), self._lifeline], process_group=0
            )
            code = self._child.wait()
            if self._leaving or code in (0, 1, 2):
                return code if code >= 0 else 1
            fast = fast + 1 if time.monotonic() - began < FAST_S else 0
            if fast >= MAX_FAST:
                print("The server ends as soon as it starts; giving up.", file=sys.stderr)
                return 1
            print(f"The server died (code {code}); starting it again.", file=sys.stderr)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGHUP:
            self._leaving = True
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)
