"""When speech over the agent counts as an interruption."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """Does it count, and why (not)?"""

    accepted: bool
    why: str


class InterruptionPolicy:
    """One call's rule. Counts what it accepted and rejected, by source."""

    def __init__(self, barge_in: str = "agent") -> None:
        self.barge_in = barge_in
        self._counts: dict[str, int] = {}

    def agent_sound(self, turn: int, now: float) -> None:
        """The agent's sound of ``turn`` was queued."""

    def decide(self, source: str, *, unplayed: bool, now: float) -> Decision:
        """``source``: agent (its own event), local (our detector) or transcript; ``unplayed``: it is still being heard."""
        if source == "agent":
            accepted = self.barge_in in ("agent", "both")
        else:
            accepted = unplayed and self.barge_in in ("local", "both")
        key = f"{source}_{'accepted' if accepted else 'rejected'}"
        self._counts[key] = self._counts.get(key, 0) + 1
        return Decision(accepted, self.barge_in)

    def counts(self) -> dict[str, int]:
        """``{source}_{accepted|rejected}`` -> how often."""
        return dict(self._counts)
