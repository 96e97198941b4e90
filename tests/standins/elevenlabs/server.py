"""ElevenLabs' HTTP API: XUNA's paths and its own sessions."""

from ..xuna import Xuna
from .session import ElevenLabsSession


class ElevenLabs(Xuna):
    """The stand-in: `async with ElevenLabs(agents=[XunaAgent(..., input_format="ulaw_8000")]) as it`."""

    session_class = ElevenLabsSession
    socket_query = ("agent_id", "token", "source", "version", "environment")

    async def session(self, *, timeout: float = 5.0) -> ElevenLabsSession:
        """The next conversation that both sides have opened."""
        found = await self.next(timeout)
        assert isinstance(found, ElevenLabsSession)
        return found
