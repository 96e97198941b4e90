"""Makes sessions: the plan of a call from its line and agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.audio.formats import AudioFormat
from bridge.call.interruption import InterruptionPolicy
from bridge.call.plan import AgentRules, CallPlan, Conversion, Line
from bridge.call.record import CallRecord
from bridge.runtime.session import CallSession, Surroundings


@dataclass(slots=True)
class SessionFactory:
    """Everything that the calls of this instance share. What is replaced here counts for the calls that are made after."""

    surroundings: Surroundings
    rules: Mapping[str, AgentRules]  # by agent
    convert: Callable[[AudioFormat, AudioFormat], Conversion]
    level: Callable[[bytes], float]
    prompts: Mapping[str, bytes]
    prewarm_hold_s: float = 10.0
    prepare: Callable[[CallSession], None] | None = None  # what comes before everything else in a new call

    def make(
        self,
        record: CallRecord,
        line: Line,
        *,
        agent: str | None = None,
        variables: Mapping[str, str | int | float | bool] | None = None,
        overrides: Mapping[str, str] | None = None,
        prewarm: bool = True,
        resumed: bool = False,
    ) -> CallSession:
        """A session for a call that was admitted. ``resumed``: its record holds what was said in another process."""
        agents = line.agents if agent is None else (agent, *(name for name in line.agents if name != agent))
        rules = self.rules[agents[0]]
        plan = CallPlan(
            agents=agents,
            convert=self.convert,
            level=self.level,
            prompts=self.prompts,
            prewarm=rules.prewarm and prewarm,
            prewarm_hold_s=self.prewarm_hold_s,
            has_fallback=line.has_fallback,
            start_timeout_s=rules.start_timeout_s,
            max_duration_s=line.max_duration_s,
            uplink_chunk_ms=rules.uplink_chunk_ms,
            sensitivity=rules.sensitivity,
            resumed=resumed,
        )
        age = (datetime.now(UTC) - record.created_at).total_seconds()
        session = CallSession(
            record,
            plan,
            InterruptionPolicy(rules.barge_in, sensitivity=rules.sensitivity, guard_ms=rules.guard_ms),
            self.surroundings,
            variables={**line.variables, **(variables or {})},
            brief_overrides=overrides,
            age_s=max(age, 0.0),
        )
        if self.prepare is not None and not resumed:
            self.prepare(session)
        return session
