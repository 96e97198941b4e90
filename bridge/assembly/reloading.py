"""The configuration, read again while calls go on: on SIGHUP, and on ``POST /api/v1/reload``.

Everything is checked and made ready first, then all of it changes at once, between two events of the loop; a mistake anywhere
changes nothing. Calls in progress keep what they had. What needs a restart is named and keeps its former value.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from starlette.responses import Response

from bridge import settings as config
from bridge.assembly.operations import Operations
from bridge.call.ports import Secret
from bridge.errors import ConfigurationError
from bridge.web.api.endpoint import Asked, Endpoint, Refused, answer

# What a running process changes; everything else is read once, at its start.
LIVE: Final = frozenset(
    {
        "agents",
        "start_timeout_s",  # the next three stand for agents that do not say
        "uplink_chunk_ms",
        "barge_in",
        "lines",
        "transfers",
        "tools",
        "events",
        "outbound",
        "api.keys",
        "carriers.twilio.auth_token",
        "max_calls",
        "limits.calls_per_caller",
        "limits.calls_per_caller_per_hour",
        "limits.loop_lag_ms",
        "limits.prewarmed",
        "limits.tool_calls",
        "limits.concurrent_tool_calls",
        "limits.transfers",
        "drain_timeout_s",
        "drain_grace_s",
    }
)

Commit = Callable[[], None]  # must not fail
Prepare = Callable[[config.Settings], Awaitable[Commit]]  # raises ConfigurationError

log = structlog.get_logger("bridge.settings")


def merged(old: config.Settings, new: config.Settings) -> tuple[config.Settings, list[str], list[str]]:
    """What is in force from now on, the keys that changed, and those that need a restart."""
    changed: list[str] = []
    restart: list[str] = []
    found = _merged(old, new, "", changed, restart)
    return found, sorted(changed), sorted(restart)


def _merged(old: Any, new: Any, above: str, changed: list[str], restart: list[str]) -> Any:
    values: dict[str, Any] = {}
    for each in dataclasses.fields(new):
        name = f"{above}{each.name}"
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before == after or each.metadata.get("computed"):
            values[each.name] = after
        elif name in LIVE:
            changed.append(name)
            values[each.name] = after
        elif type(before) is type(after) and dataclasses.is_dataclass(after) and not isinstance(after, Secret):
            values[each.name] = _merged(before, after, f"{name}.", changed, restart)
        else:
            restart.append(name)
            values[each.name] = before
    return dataclasses.replace(new, **values)


class Reloading:
    """One for each process. ``settings``: in force. ``load`` reads them again, None: there is nothing to read. ``parts``: whoever
    has something that changes.
    """

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings
        self.load: Callable[[], config.Settings] | None = None
        self.learn: Callable[[list[Secret]], None] = lambda secrets: None  # whoever keeps secrets out of the log
        self.parts: list[Prepare] = []
        self._turn = asyncio.Lock()

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again; what came of it, for an operator. Raises ConfigurationError with every mistake, and
        keeps the old one.
        """
        async with self._turn:
            if self.load is None:
                return told([], [])
            try:
                new = await asyncio.to_thread(self.load)
                self.learn(new.secrets())
                settings, changed, restart = merged(self.settings, new)
                commits = [await prepare(settings) for prepare in self.parts] if changed else []
            except ConfigurationError as error:
                log.warning("configuration_kept", mistakes=[str(mistake) for mistake in error.mistakes])
                raise
            for commit in commits:
                commit()
            self.settings = settings
            for warning in settings.warnings:
                log.warning("configuration", text=warning)
            log.info("configuration_read", changed=changed, restart_needed=restart)
            return told(changed, restart)

    def join(self, operations: Operations, spawn: Callable[..., object]) -> None:
        """SIGHUP and ``POST /api/v1/reload`` read the configuration again."""

        async def asked(request: Asked) -> Response:
            try:
                return answer(200, await self.reload())
            except ConfigurationError as error:
                words = "; ".join(map(str, error.mistakes))[:4000]
                raise Refused(422, words, "The configuration in force is kept.") from None

        operations.api.add(Endpoint("POST", "/reload", asked, role="operator"))
        with contextlib.suppress(NotImplementedError, RuntimeError):  # no such signals here, or not the main thread
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, lambda: spawn(self._quietly(), name="reload"))

    async def _quietly(self) -> None:
        with contextlib.suppress(ConfigurationError):  # said in the log
            await self.reload()


def told(changed: list[str], restart: list[str]) -> dict[str, Any]:
    """As the API answers."""
    words = f"Changed: {', '.join(changed)}." if changed else "Nothing has changed."
    if restart:
        words += f" Only after a restart: {', '.join(restart)}."
    return {"changed": changed, "restart_needed": restart, "detail": words}
