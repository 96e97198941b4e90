"""All that is known of one call, shared by the rules of both legs. Only ``call/`` writes to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bridge.audio.formats import TELEPHONE
from bridge.call import events as e
from bridge.call.candidates import Attempt, Candidates
from bridge.call.ear import Ear
from bridge.call.garbage import GarbageCount
from bridge.call.interruption import InterruptionPolicy
from bridge.call.listening import Listening
from bridge.call.numbers import UnheardNumbers
from bridge.call.plan import CallPlan, Conversion
from bridge.call.playback import MARK_AFTER_S, Playback
from bridge.call.record import CallRecord
from bridge.call.stale import StaleGate
from bridge.call.supply import Supply
from bridge.call.turns import Turns
from bridge.errors import Reason

MAX_HELD: Final = 40_000  # bytes, 5 s of the caller's sound, kept while an agent is being fetched
PROMPT_TURN: Final = -1  # the turn number of what the bridge itself says
RELEASE_S: Final = 1.0  # without marks, what is held back is looked at this often
JOURNAL: Final = 400


class Leg(StrEnum):
    """Where one side of the call stands."""

    PENDING = "pending"
    OPEN = "open"
    AWAY = "away"  # the phone's stream is being replaced
    CLOSED = "closed"


@dataclass(slots=True)
class Leaving:
    """The call ends when what is queued has been heard."""

    reason: Reason
    then: str  # hangup, fallback or transfer
    target: str = ""


class Call:
    """One call as its rules see it. Times are seconds of the call's own clock, 0 at the offer."""

    def __init__(self, plan: CallPlan, record: CallRecord, policy: InterruptionPolicy) -> None:
        self.plan = plan
        self.record = record
        self.policy = policy
        self.phone = Leg.PENDING
        self.agent = Leg.PENDING
        self.over = False
        self.leaving: Leaving | None = None
        self.doomed: Reason | None = None  # no agent is to be had, and the stream is not there yet to say so
        self.playback = Playback()
        self.supply = Supply()
        self.turns = Turns(record)
        self.listening = Listening()
        self.gate = StaleGate()
        self.numbers = UnheardNumbers()
        self.ear = Ear(plan.sensitivity) if policy.hears else None
        self.candidates = Candidates(plan.agents, start_budget_s=plan.start_timeout_s)
        self.phone_garbage = GarbageCount()
        self.agent_garbage = GarbageCount()
        self.garbage = {"phone": self.phone_garbage, "agent": self.agent_garbage}
        self.ignored: dict[str, int] = {}
        self.uplink: Conversion | None = None
        self.downlink: Conversion | None = None
        self.chain = ("", "")
        # the caller's sound
        self.chunk = bytearray()
        self.chunk_bytes = TELEPHONE.frame_bytes(plan.uplink_chunk_ms)
        self.held: list[bytes] = []
        self.held_bytes = 0
        self.last_media: float | None = None
        # the phone
        self.opened_at = 0.0
        self.opened = 0  # streams so far
        self.lost_orderly = True
        self.replacing = False  # we took the stream away, and it may not be closed yet
        self.mark_timer = False
        self.watching = False  # the timer for overdue marks runs
        self.probing = False
        # the agent
        self.connecting = False
        self.attempt: Attempt | None = None
        self.attempts = 0
        self.stage = ""
        self.began_connecting = 0.0
        self.problem: e.AgentProblem | None = None
        self.last_sign = 0.0  # of life, other than pings
        self.reassured = False

    def note(self, kind: str, now: float, **facts: Any) -> None:
        """An event of the record."""
        self.record.add_event(kind, int(now * 1000), **facts)

    def levels(self, now: float) -> tuple[float, float]:
        """How loud caller and agent are at the moment, as ``plan.level`` counts. Nothing is worked out until it is asked."""
        return self.listening.loudest(), self.plan.level(self.playback.sounds(now))

    def hold(self, payload: bytes) -> None:
        """Keep the caller's sound for an agent that is being fetched: the newest MAX_HELD bytes."""
        self.held.append(payload)
        self.held_bytes += len(payload)
        while self.held_bytes > MAX_HELD:
            self.held_bytes -= len(self.held.pop(0))

    def watch(self, now: float) -> list[e.Order]:
        """The timers for what was just sent: a mark will follow it, and will not be waited for in vain."""
        orders: list[e.Order] = []
        if self.playback.unmarked and not self.mark_timer:
            self.mark_timer = True
            orders.append(e.StartTimer("mark", MARK_AFTER_S))
        if self.playback.by_clock:
            # No mark will say when there is room again for what is held back.
            if self.playback.held_back:
                orders.append(e.StartTimer("drain", RELEASE_S))
        elif not self.watching and not self.probing:
            due = self.playback.due_in(now)
            if due:
                self.watching = True
                orders.append(e.StartTimer("overdue", due))
        return orders

    def play(self, sound: bytes, turn: int, now: float) -> list[e.Order]:
        """Queue mu-law sound for the phone, behind what is queued."""
        orders: list[e.Order] = list(self.playback.offer(sound, turn, now))
        if self.phone is not Leg.OPEN or (self.mark_timer and self.watching and not self.playback.by_clock):
            return orders  # nobody to play it to, or both timers run already: nearly every frame
        return orders + self.watch(now)

    def say(self, prompt: str, now: float) -> list[e.Order]:
        """The bridge itself speaks."""
        clip = self.plan.prompts.get(prompt)
        if not clip:
            return []
        self.note("prompt", now, name=prompt)
        return self.play(clip, PROMPT_TURN, now)

    def tail(self, now: float) -> list[e.Order]:
        """What the filter still holds of the agent's last sound."""
        tail = b"" if self.downlink is None else self.downlink.flush()
        return list(self.playback.offer(tail, self.turns.number, now)) if tail and self.playback.sounding else []
