"""Settings: the whole configuration, as the rest of the bridge reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from bridge.call.ports import Secret
from bridge.settings.addresses import Address, DatabaseUrl
from bridge.settings.agents import Agent, BargeIn, ChunkMs
from bridge.settings.kinds import ModuleName, Range
from bridge.settings.lines import Line
from bridge.settings.outbound import Outbound, Transfer
from bridge.settings.services import (
    Api,
    Carriers,
    Chat,
    EventEndpoint,
    Limits,
    Logging,
    Metrics,
    Prompts,
    RecordingSettings,
    Server,
    Tool,
    Tracing,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every key of the configuration file, checked. ``load`` is the way to get one."""

    public_url: Annotated[str, Address(schemes=("https", "http"))] | None = None  # without a slash at its end
    media_url: Annotated[str, Address(schemes=("wss", "ws"))] | None = None  # None: public_url's host
    database_url: Annotated[Secret, DatabaseUrl()] = field(
        default_factory=lambda: Secret("sqlite:///var/callbridge.db")
    )
    stream_signature: Literal["if_present", "required"] = "if_present"
    max_calls: Annotated[int, Range(1, 100_000)] = 200  # at once on this instance
    max_calls_total: Annotated[int, Range(0, 1_000_000)] = 0  # at once on all instances of the database; 0: no limit
    drain_timeout_s: Annotated[float, Range(0, 86_400)] = 3600.0  # after SIGTERM, before calls are said goodbye to
    drain_grace_s: Annotated[float, Range(0, 300)] = (
        0.0  # after SIGTERM calls are still taken while the proxy looks away
    )
    start_timeout_s: Annotated[float, Range(0.5, 30)] = 4.0  # for agents that do not say
    uplink_chunk_ms: ChunkMs = 20  # for agents that do not say
    barge_in: BargeIn | None = None  # for agents that do not say; None: what suits the provider
    retention_days: Annotated[int, Range(0, 36_500)] = 90  # records and recordings; 0: until somebody deletes them
    record_hops: bool = False  # keep four taps of every call's sound, for calls diagnose
    python_tools: tuple[ModuleName, ...] = ()  # modules that hold tools written in Python
    carriers: Carriers = field(default_factory=Carriers)
    agents: Mapping[str, Agent] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    api: Api = field(default_factory=Api)
    tools: Mapping[str, Tool] = field(default_factory=dict)
    transfers: Mapping[str, Transfer] = field(default_factory=dict)
    outbound: Outbound = field(default_factory=Outbound)
    events: Mapping[str, EventEndpoint] = field(default_factory=dict)
    chat: Chat = field(default_factory=Chat)
    server: Server = field(default_factory=Server)
    limits: Limits = field(default_factory=Limits)
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    prompts: Prompts = field(default_factory=Prompts)
    logging: Logging = field(default_factory=Logging)
    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = field(default_factory=Tracing)
    warnings: tuple[str, ...] = field(default=(), metadata={"computed": True})  # for the log; none holds a secret

    @classmethod
    def load(
        cls,
        path: str | None,
        environ: Mapping[str, str],
        overrides: Mapping[str, Any] | None = None,
        *,
        serving: bool = True,
    ) -> Settings:
        """Read file and environment. Raises ConfigurationError with every mistake there is.

        ``path`` is what ``--config`` said, None for ``$BRIDGE_CONFIG`` or config/bridge.toml. ``overrides`` come from the
        command line, by dotted key: ``{"server.port": 9000}``. ``serving`` False leaves out what only a server needs
        (an agent, a carrier, a public URL), for commands that read the database.
        """
        from bridge.settings.loading import load

        return load(path, environ, overrides or {}, serving=serving)

    def secrets(self) -> list[Secret]:
        """Every secret there is, for whoever must keep them out of a log."""
        return [*_secrets(self)]

    def line_for(self, number: str) -> Line | None:
        """The line of one of our numbers, else the line ``*``, else None."""
        return next((line for wanted in (number, "*") for line in self.lines if line.number == wanted), None)


def _secrets(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif dataclasses.is_dataclass(value):
        for item in dataclasses.fields(value):
            yield from _secrets(getattr(value, item.name))
    elif isinstance(value, Mapping | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _secrets(each)
