"""From file, environment and command line to Settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, Final

from bridge.errors import ConfigurationError
from bridge.settings.agents import ELEVENLABS_URL, KuraAgent, XunaAgent
from bridge.settings.building import Builder
from bridge.settings.checks import check, warnings
from bridge.settings.environment import collector, overlay, place, settings_in
from bridge.settings.model import Settings
from bridge.settings.report import Path, Report, shown
from bridge.settings.sources import File, Verbatim, read

DEFAULT_FILE: Final = "config/bridge.toml"
_INHERITED: Final = ("start_timeout_s", "uplink_chunk_ms", "barge_in")  # by agents, from the top of the file


def load(
    path: str | None, environ: Mapping[str, str], overrides: Mapping[str, Any], *, serving: bool = True
) -> Settings:
    """See Settings.load, which is the door to this."""
    name = path or environ.get("BRIDGE_CONFIG") or DEFAULT_FILE
    optional = name == DEFAULT_FILE and not path and not environ.get("BRIDGE_CONFIG")
    if optional and not FilePath(name).exists() and (settings_in(environ) or not serving):
        file, source = File({}), "environment"
    else:
        file, source = read(name), name
    report = Report(source, file.lines)
    if environ.get("PORT"):  # as Heroku-like hosts give it
        place(file.tree, ("server", "port"), Verbatim(environ["PORT"]), "environment, PORT", report)
    told = collector(environ)
    if told is not None and "tracing" not in file.tree:
        place(file.tree, ("tracing", "url"), Verbatim(told[1]), f"environment, {told[0]}", report)
    overlay(file.tree, environ, report)
    for key, value in overrides.items():
        if value is not None:
            place(file.tree, tuple(key.split(".")), value, "command line", report)
    builder = Builder(report, environ)
    settings = _completed(builder.build(Settings, file.tree, ()), builder.given)
    check(settings, report, serving=serving)
    if report.mistakes:
        raise ConfigurationError(report.mistakes)
    exposed = [shown(secret) for secret in builder.literals] if file.readable_by_all else []
    return dataclasses.replace(settings, warnings=tuple(warnings(settings, exposed=exposed)))


def _completed(settings: Settings, given: Mapping[Path, frozenset[str]]) -> Settings:
    """What is not given takes the value of what stands above it, and addresses lose the slash at their ends."""
    agents = {}
    for name, agent in settings.agents.items():
        own = given["agents", name]
        changes: dict[str, Any] = {
            key: getattr(settings, key)
            for key in _INHERITED
            if key not in own and key in given[()] and getattr(settings, key) is not None
        }
        if isinstance(agent, XunaAgent) and agent.dialect == "elevenlabs" and "base_url" not in own:
            changes["base_url"] = ELEVENLABS_URL
        if isinstance(agent, XunaAgent | KuraAgent):
            changes["base_url"] = changes.get("base_url", agent.base_url).rstrip("/")
        agents[name] = dataclasses.replace(agent, **changes)
    trimmed_urls = {
        key: value.rstrip("/") for key in ("public_url", "media_url") if (value := getattr(settings, key)) is not None
    }
    return dataclasses.replace(settings, agents=MappingProxyType(agents), **trimmed_urls)
