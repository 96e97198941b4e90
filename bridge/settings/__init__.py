"""Configuration: TOML and environment become frozen Settings; every mistake is reported at once.

``model.py`` is the root of the model and says what there is; ``config/bridge.example.toml`` says it to people.
``loading.py`` reads: file (``sources.py``), environment over it (``environment.py``), model out of both
(``building.py``, by the rules of ``kinds.py`` and ``addresses.py``), then what spans several keys (``checks.py``).
"""

from bridge.settings.agents import AgentSettings, DemoAgent, KuraAgent, XunaAgent
from bridge.settings.checks import can_trace
from bridge.settings.hours import Period
from bridge.settings.lines import Callers, Diversion, Hours, Line, LineRecording, Lookup
from bridge.settings.model import Settings
from bridge.settings.outbound import Outbound, Transfer
from bridge.settings.services import (
    Api,
    ApiKey,
    Carriers,
    Chat,
    EventEndpoint,
    Jwt,
    Limits,
    Logging,
    Metrics,
    Prompts,
    RecordingSettings,
    Server,
    Tool,
    Tracing,
    TwilioSettings,
)

__all__ = [
    "AgentSettings",
    "Api",
    "ApiKey",
    "Callers",
    "Carriers",
    "Chat",
    "DemoAgent",
    "Diversion",
    "EventEndpoint",
    "Hours",
    "Jwt",
    "KuraAgent",
    "Limits",
    "Line",
    "LineRecording",
    "Logging",
    "Lookup",
    "Metrics",
    "Outbound",
    "Period",
    "Prompts",
    "RecordingSettings",
    "Server",
    "Settings",
    "Tool",
    "Tracing",
    "Transfer",
    "TwilioSettings",
    "XunaAgent",
    "can_trace",
]
