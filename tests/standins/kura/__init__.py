"""A strict stand-in of Kura: its REST API and its session socket, after its own document."""

from .server import Assistant, Key, Kura
from .session import KuraSession

__all__ = ["Assistant", "Key", "Kura", "KuraSession"]
