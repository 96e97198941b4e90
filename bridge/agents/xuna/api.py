"""A XUNA agent (or one of its ElevenLabs dialect) over HTTP: credentials for conversations (documents 000 and 001).

Nothing is tried twice here: whoever waits for the call knows how long it may still wait, and ``AgentFailure.retry``
says whether another attempt may help.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote

from bridge.agents.addresses import api_base, refused, socket_url
from bridge.agents.http import ApiClient
from bridge.agents.xuna.conversations import XUNA_MEANINGS, Conversations
from bridge.agents.xuna.opening import Configured, Variables, dynamic_variables, overrides
from bridge.agents.xuna.stream import Dialect, XunaStream
from bridge.call.ports import Brief, Secret, Session
from bridge.errors import AgentFailure, Reason

BASE_URLS: Final[Mapping[Dialect, str]] = {
    "xuna": "https://api.xuna.ai",
    "elevenlabs": "https://api.elevenlabs.io",
}
SIGNED_URL_LIFE: Final = 60.0  # s. Document 000: "valid for a short window", single use
MAX_PAGES: Final = 20  # of the list of agents that ``check`` looks through
MAX_TOKEN: Final = 16384  # characters


class XunaAgent:
    """One configured XUNA agent. The arguments are the configuration's keys; see ``config/bridge.example.toml``."""

    provider = "xuna"
    reports_interruptions = True

    def __init__(
        self,
        *,
        name: str,
        agent_id: str,
        api_key: Secret | str = "",
        base_url: str | None = None,
        authentication: Literal["signed_url", "public"] = "signed_url",
        dialect: Dialect = "xuna",
        prompt: str | None = None,
        first_message: str | None = None,
        language: str | None = None,
        voice_id: str | None = None,
        dynamic_variables: Variables | None = None,
        websocket_hosts: Sequence[str] = (),
        allow_insecure: bool = False,
        timeout_s: float = 4.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.agent_id = agent_id
        self._key = api_key if isinstance(api_key, Secret) else Secret(api_key)
        self._base_url = api_base(base_url or BASE_URLS[dialect], name=name, allow_insecure=allow_insecure)
        self._public = authentication == "public"
        self._dialect: Dialect = dialect
        self._configured = Configured(prompt, first_message, language, voice_id, dict(dynamic_variables or {}))
        self._websocket_hosts = tuple(websocket_hosts)
        self._allow_insecure = allow_insecure
        self._client = ApiClient(self._base_url, timeout_s=timeout_s, tls=tls)
        self.conversations = Conversations(
            self._client, headers=self._headers, base_url=self._base_url, dialect=dialect, agent_id=agent_id
        )

    async def open(self, brief: Brief) -> Session:
        """A fresh signed URL for one call, or the public agent's address. Raises AgentFailure."""
        url = self._public_url() if self._public else await self.signed_url()
        return Session(
            url=url,
            stream=XunaStream(brief, configured=self._configured, dialect=self._dialect),
            expires_in=SIGNED_URL_LIFE,
        )

    async def release(self, session: Session, *, stopped: bool) -> None:
        """Nothing to do: a conversation ends with its socket, and an unused signed URL runs out by itself."""

    async def check(self) -> str:
        """Whether the key is accepted (document 001: ``GET /v1/convai/agents``) and the agent is in its list."""
        if self._public and not self._key:
            return f"agent {self.agent_id} is public: there is no key to check"
        pages = 0
        async for page in self._agent_pages():
            if any(agent.get("agent_id") == self.agent_id for agent in page):
                return f"the API key is accepted and agent {self.agent_id} is there"
            pages += 1
            if pages == MAX_PAGES:
                return f"the API key is accepted; agent {self.agent_id} is not among the first {pages} pages of agents"
        raise AgentFailure(
            f"the API key is accepted, but there is no agent {self.agent_id} in its workspace",
            reason=Reason.AGENT_NOT_FOUND,
            hint="Check agent_id, and that the key is of the agent's workspace.",
        )

    async def agents(self) -> list[dict[str, Any]]:
        """The agents that the key can see, at most ``MAX_PAGES`` pages of them. Raises AgentFailure."""
        found: list[dict[str, Any]] = []
        pages = 0
        async for page in self._agent_pages():
            found += page
            pages += 1
            if pages == MAX_PAGES:
                break
        return found

    async def signed_url(self) -> Secret:
        """A socket URL for exactly one conversation, for us or for a browser. Raises AgentFailure."""
        reply = await self._client.request(
            "GET",
            "/v1/convai/conversation/get-signed-url",
            headers=self._headers(),
            meanings=XUNA_MEANINGS,
            query={"agent_id": self.agent_id},
        )
        return socket_url(
            reply.json().get("signed_url"),
            base_url=self._base_url,
            websocket_hosts=self._websocket_hosts,
            allow_insecure=self._allow_insecure,
        )

    async def token(self, brief: Brief | None = None) -> Secret:
        """A conversation token for a browser or an app, with dynamic variables and overrides attached at its creation.

        Document 001 attaches them without saying how they travel in the GET request that document 000 has: as JSON in
        the query here, not verified on a live account. Raises AgentFailure.
        """
        query = {"agent_id": self.agent_id}
        if variables := dynamic_variables(self._configured, brief):
            query["dynamic_variables"] = json.dumps(variables, separators=(",", ":"))
        if override := overrides(self._configured, brief):
            query["conversation_config_override"] = json.dumps(override, separators=(",", ":"))
        reply = await self._client.request(
            "GET", "/v1/convai/conversation/token", headers=self._headers(), meanings=XUNA_MEANINGS, query=query
        )
        token = reply.json().get("token")
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN or not re.fullmatch(r"[!-~]+", token):
            raise refused("grants no token", "Check base_url: is this the agent's API?")
        return Secret(token)

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    def _headers(self) -> dict[str, str]:
        return {"xi-api-key": self._key.reveal()} if self._key else {}

    def _public_url(self) -> Secret:
        address = "ws" + self._base_url.removeprefix("http")
        return Secret(f"{address}/v1/convai/conversation?agent_id={quote(self.agent_id, safe='')}")

    async def _agent_pages(self) -> AsyncIterator[list[dict[str, Any]]]:
        query: dict[str, str] = {}
        seen: set[str] = set()
        while True:
            body = (
                await self._client.request(
                    "GET", "/v1/convai/agents", headers=self._headers(), meanings=XUNA_MEANINGS, query=query
                )
            ).json()
            listed = body.get("agents")
            if not isinstance(listed, list):
                raise refused("gives no list of agents", "Check base_url: is this the agent's API?")
            yield [agent for agent in listed if isinstance(agent, dict)]
            cursor = body.get("next_cursor")
            if not isinstance(cursor, str) or not cursor or cursor in seen or body.get("has_more") is False:
                return
            seen.add(cursor)
            query = {"cursor": cursor}
