"""Which agent is tried next, and how long it may take.

A caller is waiting: the first agent has the start budget, its retry included; every other one SUCCESSOR_S. An agent that
was lost in mid-call is tried once more itself before its backups, for AGAIN_S.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.errors import AgentFailure

SUCCESSOR_S: Final = 3.0
AGAIN_S: Final = 1.5  # for the one that was lost, where another one can have the call within SUCCESSOR_S
RETRY_PAUSE_S: Final = 0.2
MAX_ATTEMPTS: Final = 2  # of one agent in a row
MAX_LOSSES: Final = 5  # sessions lost in one call; after that something is wrong that another session does not mend


@dataclass(frozen=True, slots=True)
class Attempt:
    """Connect to ``name`` after ``delay`` seconds; it must be ready ``budget`` seconds from now."""

    name: str
    delay: float
    budget: float


class Candidates:
    """The agents of one call, in the order in which they are tried."""

    def __init__(self, names: tuple[str, ...], *, start_budget_s: float) -> None:
        self._names = names
        self._start_budget = start_budget_s
        self._queue: list[str] = []
        self._name = names[0]
        self._attempts = 0
        self._deadline = 0.0
        self._losses = 0
        self.connected = 0  # sessions that became ready

    @property
    def name(self) -> str:
        """The agent that has the call, or is being tried."""
        return self._name

    def first(self, now: float) -> Attempt:
        """The configured agent, at the start of the call (or again after its session was given back unused)."""
        self._queue = list(self._names[1:])
        return self._attempt(self._names[0], now, budget=self._start_budget)

    def after_failure(self, failure: AgentFailure, now: float) -> Attempt | None:
        """The next try after one that failed; None where nobody is left."""
        pause = RETRY_PAUSE_S if failure.retry_after is None else max(failure.retry_after, 0.0)
        left = self._deadline - now
        if failure.retry and self._attempts < MAX_ATTEMPTS and pause + RETRY_PAUSE_S < left:
            self._attempts += 1
            return Attempt(self._name, pause, left)
        return self._next(now)

    def after_loss(self, now: float) -> Attempt | None:
        """A successor for a session that was lost in mid-call."""
        self._losses += 1
        if self._losses > MAX_LOSSES:
            return None
        self._queue = [name for name in self._names if name != self._name]
        return self._attempt(self._name, now, budget=AGAIN_S if self._queue else SUCCESSOR_S)

    def ready(self) -> None:
        """The agent that was tried has the call."""
        self.connected += 1
        self._attempts = 0

    def _next(self, now: float) -> Attempt | None:
        if not self._queue:
            return None
        return self._attempt(self._queue.pop(0), now, budget=SUCCESSOR_S)

    def _attempt(self, name: str, now: float, *, budget: float) -> Attempt:
        self._name = name
        self._attempts = 1
        self._deadline = now + budget
        return Attempt(name, 0.0, budget)
