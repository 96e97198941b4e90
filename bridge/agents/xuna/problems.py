"""What the error types and close codes of the ElevenLabs dialect mean, and what a person can do about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.agents.wire import printable
from bridge.call.events import AgentProblem

NORMAL_CLOSE: Final = 1000  # the agent ended the conversation, or its longest duration was reached

MEANINGS: Final[Mapping[str, str]] = {
    "override_error": "an override is not allowed. Switch it on in the agent's security settings or drop it here",
    "missing_dynamic_variable": "a dynamic variable that the agent needs was not given. Add it to dynamic_variables",
    "missing_dynamic_variable_transfer": "a dynamic variable of a transfer was not given. Add it to dynamic_variables",
    "invalid_message": "the agent could not read a message of the bridge",
    "missing_fields": "a message of the bridge lacked a field that the agent needs",
    "value_error": "the agent refused a value. Check the overrides and dynamic variables",
    "safety_violation": "the provider's safety rules ended the conversation",
    "llm_timeout": "the agent's language model took longer than 20 s",
    "transport_receive_timeout": "no sound of the caller reached the agent for 60 s",
    "max_duration_exceeded": "the agent's own longest duration was reached",
}
CLOSES: Final[Mapping[int, str]] = {
    1002: "the agent's own working failed: a time-out, its language model, its voice or its recognition",
    1008: "the agent refused what the bridge sent: an override that is not allowed, a missing dynamic variable, or no leave",
    1011: "the agent broke down inside",
}


def problem(code: int, error_type: str, message: str) -> AgentProblem:
    """An error event in words: its meaning where it is known, else the agent's own text, bounded."""
    kind = error_type if error_type in MEANINGS else ""
    words = MEANINGS.get(error_type) or printable(message) or CLOSES.get(code) or "no reason was given"
    return AgentProblem(f"{kind}: {words}" if kind else words, code)


def problem_of_close(code: int, detail: str = "") -> AgentProblem | None:
    """What the close ``code`` of the agent's socket tells; None where it is a normal end or nothing is known of it."""
    if code == NORMAL_CLOSE or code not in CLOSES:
        return None
    return AgentProblem(": ".join(filter(None, (CLOSES[code], printable(detail, 120)))), code)
