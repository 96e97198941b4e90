"""Credentials for browsers and apps, minted one by one behind the operator's own check (document 001).

The agent's API key never leaves the bridge; what leaves it admits to one conversation. Who asks is known by a key of
the operator's, which may name its user in ``?user=``, or by a token of the configured issuer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from bridge.call.ports import Secret
from bridge.throttle import Throttle
from bridge.web.access import Access, Visitor, bearer
from bridge.web.api.endpoint import Asked, Endpoint, Refused, answer

LIFE_S: Final = 60  # document 000: a signed URL is "valid for a short window"
HOUR_S: Final = 3600.0
_USER: Final = re.compile(r"[ -~]{1,200}")

JudgeToken = Callable[[str], Awaitable[str | None]]  # a JWT -> its user, None where it is not valid


class Minting(Protocol):
    """An agent that grants conversations to others (``agents.xuna.api.XunaAgent``)."""

    async def signed_url(self) -> Secret:
        """Raises AgentFailure."""
        ...

    async def token(self) -> Secret:
        """Raises AgentFailure."""
        ...


@dataclass(frozen=True, slots=True)
class Minter:
    """One agent. ``public_id``: of an agent that needs no credential, "" for others."""

    agent: Minting
    public_id: str = ""


@dataclass(frozen=True, slots=True)
class CredentialLimits:
    """How many, and how long a conversation with a public agent may be."""

    per_minute: int = 10
    public_per_hour: int = 60
    public_max_duration_s: int = 600


class CredentialsApi:
    """``/api/v1/agents/{name}/signed-url`` and ``/token``."""

    def __init__(
        self,
        access: Access,
        minters: Callable[[], Mapping[str, Minter]],
        limits: CredentialLimits,
        judge_token: JudgeToken | None = None,
    ) -> None:
        self._access = access
        self._minters = minters
        self._limits = limits
        self._judge_token = judge_token
        self._users = Throttle(limits.per_minute, 60.0)
        self._public = Throttle(limits.public_per_hour, HOUR_S) if limits.public_per_hour else None

    def endpoints(self) -> list[Endpoint]:
        """Both routes."""
        path = "/agents/{name}"
        return [
            Endpoint("GET", f"{path}/signed-url", self._signed_url, role="operator", admit=self._admit),
            Endpoint("GET", f"{path}/token", self._token, role="operator", admit=self._admit),
        ]

    async def _admit(self, request: Request) -> Visitor:
        """A JWT has two dots; a key that has them too is a key all the same."""
        presented = bearer(request.headers.get("authorization"))
        if self._judge_token is not None and presented is not None and presented.count(".") == 2:
            user = await self._judge_token(presented)
            if user is not None:
                return Visitor(f"user {user}", "viewer")
        return self._access.admit(request, "operator")

    async def _signed_url(self, asked: Asked) -> Response:
        minter = self._allowed(asked)
        if minter.public_id:
            return answer(200, self._public_answer(minter))
        url = await minter.agent.signed_url()
        return answer(200, {"signed_url": url.reveal(), "expires_in_s": LIFE_S})

    async def _token(self, asked: Asked) -> Response:
        minter = self._allowed(asked)
        if minter.public_id:
            return answer(200, self._public_answer(minter))
        return answer(200, {"token": (await minter.agent.token()).reveal()})

    def _public_answer(self, minter: Minter) -> dict[str, Any]:
        return {"agent_id": minter.public_id, "public": True, "max_duration_s": self._limits.public_max_duration_s}

    def _allowed(self, asked: Asked) -> Minter:
        name = str(asked.request.path_params["name"])
        minter = self._minters().get(name)
        if minter is None:
            raise Refused(404, "There is no agent of this name that grants credentials.", "XUNA agents of [agents] do.")
        user = asked.request.query_params.get("user", "")
        if user and not _USER.fullmatch(user):
            raise Refused(422, "This is no user.", "Send 1 to 200 printable ASCII characters.")
        if asked.visitor.role == "viewer":
            user = ""  # the token has said who it is
        _wait(self._users.take(f"{asked.visitor.name}/{user}"), "This user has had as many credentials as allowed.")
        if minter.public_id:
            if self._public is None:
                raise Refused(429, "No conversations with this agent are given away.", "", {"Retry-After": "3600"})
            _wait(self._public.take(name), "This agent has had as many conversations as allowed.")
        return minter


def _wait(seconds: float, detail: str) -> None:
    if seconds:
        raise Refused(429, detail, "Wait, then ask again.", {"Retry-After": str(math.ceil(seconds))})
