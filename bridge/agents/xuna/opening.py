"""What a XUNA agent is told before the conversation starts: overrides and dynamic variables.

The first message of a socket carries it (document 003, ``conversation_initiation_client_data``); a conversation token
carries it from its creation (document 001). That ``dynamic_variables`` is read from the first message is only implied
by the documents: not verified on a live account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.agents.wire import system_variables
from bridge.call.ports import Brief

Variables = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration says of every conversation of an agent. None: the agent's own setting stands."""

    prompt: str | None = None
    first_message: str | None = None
    language: str | None = None
    voice_id: str | None = None
    dynamic_variables: Variables = field(default_factory=dict)


def overrides(configured: Configured, brief: Brief | None) -> dict[str, Any]:
    """``conversation_config_override`` with only what is set; the call's own wins over the configured."""

    def chosen(name: str) -> Any:
        own = getattr(brief, name) if brief is not None else None
        return getattr(configured, name) if own is None else own

    agent: dict[str, Any] = {}
    if (prompt := chosen("prompt")) is not None:
        agent["prompt"] = {"prompt": prompt}
    if (first_message := chosen("first_message")) is not None:
        agent["first_message"] = first_message
    if (language := chosen("language")) is not None:
        agent["language"] = language
    result: dict[str, Any] = {}
    if agent:
        result["agent"] = agent
    if (voice_id := chosen("voice_id")) is not None:
        result["tts"] = {"voice_id": voice_id}
    return result


def dynamic_variables(configured: Configured, brief: Brief | None) -> dict[str, str | int | float | bool]:
    """Configured, then the line's or the dialler's own, then what the bridge knows: the later wins."""
    merged: dict[str, str | int | float | bool] = dict(configured.dynamic_variables)
    if brief is not None:
        merged |= brief.variables
        merged |= system_variables(brief)
    return merged


def initiation(configured: Configured, brief: Brief) -> dict[str, Any]:
    """The first message of a socket."""
    message: dict[str, Any] = {"type": "conversation_initiation_client_data"}
    if override := overrides(configured, brief):
        message["conversation_config_override"] = override
    message["dynamic_variables"] = dynamic_variables(configured, brief)
    return message
