"""A strict stand-in of ElevenLabs: XUNA's core in ElevenLabs' dialect."""

from .server import ElevenLabs
from .session import ElevenLabsSession

__all__ = ["ElevenLabs", "ElevenLabsSession"]
