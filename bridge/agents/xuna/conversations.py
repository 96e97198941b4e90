"""The history of conversations (document 002): get one with its audio, list page by page, delete."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from urllib.parse import urljoin

from bridge.agents.addresses import refused, same_host
from bridge.agents.http import MEANINGS, ApiClient, Meaning
from bridge.agents.xuna.stream import Dialect
from bridge.errors import AgentFailure, Reason

PATH: Final = "/v1/convai/conversations"
PAGE_SIZE: Final = 100  # the most that one page may hold
MAX_PAGES: Final = 10_000  # a server that never ends its list
MAX_AUDIO: Final = 1 << 30  # bytes of one recording
AUDIO_TIMEOUT_S: Final = 600.0
JSON_TIMEOUT_S: Final = 30.0  # nobody is on the phone while history is read

XUNA_MEANINGS: Final[Mapping[int, Meaning]] = {
    **MEANINGS,
    401: Meaning("refuses the API key (401)", "Check api_key; a new one is made under Settings, API Keys."),
    403: Meaning("does not allow this to the API key (403)", "Use a key of the workspace that owns the agent."),
    404: Meaning(
        "does not know the agent or conversation (404)", "Check agent_id, and that the key's workspace has it."
    ),
}


class Conversations:
    """What an agent remembers of its conversations. ``headers`` gives the credential of each request."""

    def __init__(
        self,
        client: ApiClient,
        *,
        headers: Callable[[], dict[str, str]],
        base_url: str,
        dialect: Dialect,
        agent_id: str,
    ) -> None:
        self._client = client
        self._headers = headers
        self._base_url = base_url
        self._dialect = dialect
        self._agent_id = agent_id

    async def get(self, conversation_id: str) -> dict[str, Any]:
        """Transcript, metadata, evaluation results and collected data, as the provider has them. Raises AgentFailure."""
        path = f"{PATH}/{_checked(conversation_id)}"
        return (
            await self._client.request(
                "GET", path, headers=self._headers(), meanings=XUNA_MEANINGS, timeout_s=JSON_TIMEOUT_S
            )
        ).json()

    async def audio(self, conversation_id: str) -> AsyncIterator[bytes]:
        """The recording, piece by piece. Raises AgentFailure; AGENT_NOT_FOUND where there is none.

        Document 002 gives its URL in the conversation's ``audio``; the ElevenLabs dialect has a route for it. The key
        goes to the API's own host only, and no other host is asked.
        """
        if self._dialect == "elevenlabs":
            address = f"{PATH}/{_checked(conversation_id)}/audio"
        else:
            named = (await self.get(conversation_id)).get("audio")
            if not isinstance(named, str) or not named:
                raise AgentFailure("the conversation has no recording", reason=Reason.AGENT_NOT_FOUND)
            address = urljoin(self._base_url + "/", named)
            if not same_host(address, self._base_url):
                raise refused(
                    "keeps its recording on a host that is not its own",
                    "Fetch it by hand from the provider's dashboard.",
                )
        headers = {**self._headers(), "Accept": "audio/*"}
        async for piece in self._client.stream(
            address, headers=headers, meanings=XUNA_MEANINGS, max_bytes=MAX_AUDIO, timeout_s=AUDIO_TIMEOUT_S
        ):
            yield piece

    async def list(self, *, every_agent: bool = False, page_size: int = PAGE_SIZE) -> AsyncIterator[dict[str, Any]]:
        """The conversations of this agent (or of the whole account), fetched a page at a time. Raises AgentFailure."""
        query: dict[str, str] = {}
        if self._dialect == "elevenlabs":  # document 002 has no word for the size of a page
            query["page_size"] = str(min(max(page_size, 1), PAGE_SIZE))
        if not every_agent:
            query["agent_id"] = self._agent_id
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            reply = await self._client.request(
                "GET", PATH, headers=self._headers(), meanings=XUNA_MEANINGS, query=query, timeout_s=JSON_TIMEOUT_S
            )
            body = reply.json()
            listed = body.get("conversations")
            if not isinstance(listed, list):
                raise refused("gives no list of conversations", "Check base_url: is this the agent's API?")
            for conversation in listed:
                if isinstance(conversation, dict):
                    yield conversation
            cursor = body.get("next_cursor")
            if not isinstance(cursor, str) or not cursor or cursor in seen or body.get("has_more") is False:
                return
            seen.add(cursor)
            query["cursor"] = cursor

    async def delete(self, conversation_id: str) -> None:
        """For good: transcript and audio cannot be had back. Already gone is success. Raises AgentFailure."""
        path = f"{PATH}/{_checked(conversation_id)}"
        try:
            await self._client.request(
                "DELETE",
                path,
                headers=self._headers(),
                meanings=XUNA_MEANINGS,
                timeout_s=JSON_TIMEOUT_S,
            )
        except AgentFailure as failure:
            if failure.reason is not Reason.AGENT_NOT_FOUND:
                raise


def _checked(conversation_id: str) -> str:
    # It becomes a path: what could leave that path is not asked for.
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", conversation_id):
        raise AgentFailure("this is no id of a conversation", reason=Reason.AGENT_NOT_FOUND)
    return conversation_id
