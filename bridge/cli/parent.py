"""The parent of ``callbridge serve``: holds the listening socket and keeps one child running. Run as a file, by an
interpreter without site-packages: it must stay small, and live whatever is broken in the rest.

``python -I -S parent.py LISTENER_FD COMMAND...``; the child gets ``--fd LISTENER_FD --lifeline FD`` besides.
"""

from __future__ import annotations

import os
import signal
import sys
import time

FAST_S = 2.0  # a child that dies so soon did not get to work
MAX_FAST = 5  # in a row


class Parent:
    """Keeps one child running. Signals go on to it; its orderly end is ours."""

    def __init__(self, listener: int, command: list[str]) -> None:
        lifeline, self._held = os.pipe()  # the child sees its end close when we are gone, however we went
        for each in (listener, lifeline):
            os.set_inheritable(each, True)
        self._command = [*command, "--fd", str(listener), "--lifeline", str(lifeline)]
        self._child = 0
        self._leaving = False

    def run(self) -> int:
        """Start, watch, restart; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        fast = 0
        while True:
            began = time.monotonic()
            # A group of its own: Ctrl-C reaches the child once, through us.
            self._child = os.posix_spawn(self._command[0], self._command, os.environ, setpgroup=0)
            _, status = os.waitpid(self._child, 0)
            self._child = 0
            code = os.waitstatus_to_exitcode(status)
            if self._leaving or code in (0, 1, 2):
                return code if code >= 0 else 1
            fast = fast + 1 if time.monotonic() - began < FAST_S else 0
            if fast >= MAX_FAST:
                print("The server ends as soon as it starts; giving up.", file=sys.stderr)
                return 1
            print(f"The server died (code {code}); starting it again.", file=sys.stderr)

    def _pass_on(self, number: int, frame: object) -> None:
        if number != signal.SIGHUP:
            self._leaving = True
        if self._child:
            try:
                os.kill(self._child, number)
            except ProcessLookupError:
                return  # it has just gone by itself


if __name__ == "__main__":
    raise SystemExit(Parent(int(sys.argv[1]), sys.argv[2:]).run())
