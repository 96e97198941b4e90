"""What a check found, as a line for people and as JSON for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["ok", "warn", "FAIL"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. ``subject`` is a word or two of what was looked at; no text holds a secret."""

    level: Level
    subject: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"  -> {self.remedy}" if self.remedy else ""
        return f"{self.level:4}  {self.subject}: {self.what}{remedy}"

    def json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {"level": self.level.lower(), "subject": self.subject, "what": self.what, "remedy": self.remedy}


def ok(subject: str, what: str) -> Finding:
    """As it should be."""
    return Finding("ok", subject, what)


def warn(subject: str, what: str, remedy: str) -> Finding:
    """It works, but somebody should look."""
    return Finding("warn", subject, what, remedy)


def fail(subject: str, what: str, remedy: str) -> Finding:
    """Calls will suffer."""
    return Finding("FAIL", subject, what, remedy)
