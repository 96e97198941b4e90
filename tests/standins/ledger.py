"""What a stand-in found wrong, and waiting for what it should see."""

import asyncio
import time
from collections.abc import Callable


class Ledger:
    """The violations that a stand-in saw, and a pulse for those who wait on it.

    Used as the base of every stand-in: leaving `async with` without an error checks by itself.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []

    def violation(self, words: str) -> None:
        """The other side broke its protocol."""
        self.violations.append(words)

    def check(self) -> None:
        """Raise AssertionError with every violation seen."""
        if self.violations:
            lines = "\n  ".join(self.violations)
            raise AssertionError(f"{type(self).__name__}: {len(self.violations)} violation(s)\n  {lines}")

    def forgive(self, words: str) -> list[str]:
        """Take back the violations that contain `words`; there must be one, so that a test cannot excuse what never was."""
        found = [v for v in self.violations if words in v]
        if not found:
            raise AssertionError(f"no violation says {words!r}: {self.violations}")
        self.violations[:] = [v for v in self.violations if words not in v]
        return found


class Pulse:
    """Lets a test wait until something is so."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def beat(self) -> None:
        """Something changed: every waiter looks again."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, so: Callable[[], bool], what: str, *, timeout: float = 5.0) -> None:
        """Return when `so()`; AssertionError naming `what` after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not so():
            future = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            try:
                await asyncio.wait_for(future, max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                if not so():
                    raise AssertionError(f"waited {timeout:g} s for {what}") from None
            finally:
                self._waiting.discard(future)
