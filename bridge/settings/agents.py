"""``[agents.NAME]``: the voice agents, one dataclass per provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from bridge.call.ports import Secret
from bridge.settings.addresses import Address
from bridge.settings.kinds import Host, Identifier, JsonTable, Language, Length, OneOrMore, Range, Scalar, Tagged

BargeIn = Literal["agent", "local", "both", "off"]
ChunkMs = Literal[20, 40, 60]
Origin = Annotated[str, Address(schemes=("https", "http"), plain="anywhere")]  # encrypted or not: checks.py decides

XUNA_URL: Final = "https://api.xuna.ai"
ELEVENLABS_URL: Final = "https://api.elevenlabs.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What every provider's agents have. The first three take the file's top-level keys where they are not given."""

    start_timeout_s: Annotated[float, Range(0.5, 30)] = 4.0  # from offer to ready, retries included
    uplink_chunk_ms: ChunkMs = 20  # of caller's sound in one message
    barge_in: BargeIn = "agent"  # who notices that the caller speaks over the agent
    barge_in_sensitivity: Literal["low", "medium", "high"] = "medium"  # of the bridge's own ear; low for noisy places
    barge_in_guard_ms: Annotated[int, Range(0, 10_000)] = 0  # at the start of the greeting nothing interrupts
    prewarm: bool = True  # open a session from the webhook on; off where an unused one should not be billed
    allow_insecure: bool = False  # plain http and ws beyond loopback: the URL holds the key
    websocket_hosts: tuple[Host, ...] = ()  # besides base_url's own, that a granted socket URL may name
    # Under which this agent may call POST /tools/NAME; a list while it is being rotated.
    tools_key: Annotated[tuple[Secret, ...], OneOrMore(), Length(1, 5)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class XunaAgent(AgentSettings):
    """A XUNA agent, or one of a service that speaks as XUNA does."""

    provider: Literal["xuna"] = "xuna"
    agent_id: Identifier
    api_key: Secret | None = None  # needed unless authentication is "public"
    base_url: Origin = XUNA_URL  # ElevenLabs' own with that dialect
    authentication: Literal["signed_url", "public"] = "signed_url"
    dialect: Literal["xuna", "elevenlabs"] = "xuna"
    prompt: Annotated[str, Length(1, 50_000)] | None = None
    first_message: Annotated[str, Length(0, 5_000)] | None = None
    language: Language | None = None
    voice_id: Identifier | None = None
    dynamic_variables: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KuraAgent(AgentSettings):
    """A Kura assistant. It reports no interruptions, so the bridge listens too."""

    provider: Literal["kura"] = "kura"
    assistant_id: Annotated[int, Range(1, 2**53)]
    api_key: Annotated[tuple[Secret, ...], OneOrMore(), Length(1, 100)]  # calls are spread over them
    base_url: Origin
    language_code: Language = "en-US"
    metadata: Annotated[Mapping[str, Any], JsonTable()] = field(default_factory=dict)
    barge_in: BargeIn = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAgent(AgentSettings):
    """The built-in agent, which needs nothing."""

    provider: Literal["demo"] = "demo"


Agent = Annotated[
    XunaAgent | KuraAgent | DemoAgent, Tagged("provider", {"xuna": XunaAgent, "kura": KuraAgent, "demo": DemoAgent})
]
