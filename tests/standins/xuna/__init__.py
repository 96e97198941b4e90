"""A strict stand-in of XUNA: its HTTP API and its conversation socket, after the agent's own documents."""

from .server import Xuna, XunaAgent
from .session import XunaSession

__all__ = ["Xuna", "XunaAgent", "XunaSession"]
