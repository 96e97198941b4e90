"""Which of the agent's sound belongs to a turn that was interrupted and must not be heard any more.

The law (contract, "How an agent is understood"):

* after an interruption without an id, sound whose id is at or below the highest received is stale; sound without ids
  is not;
* after one with an id, sound strictly older than it is stale: the reply to the interruption may carry its very id;
* an agent that numbers nothing and was told to stop (``SendInterrupt``) is silent until it says that the turn is
  complete, for MUTE_S at most, and not at all where the turn was complete already.
"""

from __future__ import annotations

from typing import Final

MUTE_S: Final = 1.0


class StaleGate:
    """Lets the agent's sound through, or not. Times are seconds of the call's own clock."""

    def __init__(self, *, dropped: int = 0) -> None:
        self.dropped = dropped  # chunks, those of the agents before this one included
        self._highest: int | None = None
        self._first_fresh: int | None = None  # ids below are stale
        self._muted_until = 0.0
        self._turn_complete = True

    def admits(self, event_id: int | None, now: float) -> bool:
        """Is this sound to be heard? Ask once for every chunk, in order of arrival."""
        if event_id is not None:
            if self._highest is None or event_id > self._highest:
                self._highest = event_id
            if self._first_fresh is not None and event_id < self._first_fresh:
                self.dropped += 1
                return False
        if now < self._muted_until:
            self.dropped += 1
            return False
        self._turn_complete = False
        return True

    def interrupted(self, event_id: int | None) -> None:
        """The agent says that the caller spoke over it; or, without an id, the bridge noticed by itself."""
        self._muted_until = 0.0
        if event_id is None:
            if self._highest is None:
                return
            event_id = self._highest + 1
        if self._first_fresh is None or event_id > self._first_fresh:
            self._first_fresh = event_id

    def told_to_stop(self, now: float) -> None:
        """The agent was sent SendInterrupt and will say when the turn is complete."""
        if not self._turn_complete:
            self._muted_until = now + MUTE_S

    def turn_complete(self) -> None:
        """The agent has finished its turn: what comes next is the next one."""
        self._turn_complete = True
        self._muted_until = 0.0

    @property
    def numbered(self) -> bool:
        """The agent gives its sound ids."""
        return self._highest is not None

    @property
    def in_turn(self) -> bool:
        """The agent has spoken since its last turn was complete."""
        return not self._turn_complete
