"""The demo agent's tools: asked of the bridge over ``POST /tools/NAME``, as a hosted agent's server does it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Self

import aiohttp

TIMEOUT_S: Final = 10.0
MAX_ANSWER: Final = 64 * 1024  # bytes


class Tools:
    """``url``: the bridge's route with the agent's key (``https://.../tools/demo?key=...``), "" where there are no tools."""

    def __init__(self, url: str = "", call_id: str = "") -> None:
        self._url = url
        self._call_id = call_id

    @classmethod
    def of(cls, variables: Mapping[str, object]) -> Self:
        """As an agent is told in its dynamic variables: ``tools_url`` and ``call_id``."""
        url, call_id = variables.get("tools_url", ""), variables.get("call_id", "")
        return cls(str(url), str(call_id))

    def __bool__(self) -> bool:
        return self._url.startswith(("http://", "https://"))

    async def use(self, name: str, arguments: Mapping[str, str]) -> bool:
        """Have a tool used; whether that went well. Never raises."""
        body = {
            "tool_name": name,
            "tool_args": {**arguments, "call_id": self._call_id},
            "assistant_id": 1,
            "timestamp": datetime.now(UTC).isoformat(),
        }
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as client,
                client.post(self._url, json=body, allow_redirects=False) as answer,
            ):
                told = await answer.json() if (answer.content_length or 0) < MAX_ANSWER else {}
                return answer.status == 200 and isinstance(told, dict) and "error" not in told
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False
