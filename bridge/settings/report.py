"""Collects mistakes, and knows for each key where its value was given."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.errors import Mistake
from bridge.settings.kinds import Complaint

Path = tuple[str | int, ...]  # ("lines", 0, "agent")

MAX_MISTAKES = 200  # beyond that a file is of another kind


@dataclass(slots=True)
class Report:
    """The mistakes of one configuration. ``source`` is the file's name, or what stands for it."""

    source: str
    lines: dict[Path, int] = field(default_factory=dict)  # of the file, from 1
    origins: dict[Path, str] = field(default_factory=dict)  # what was not given by the file: "environment, BRIDGE_..."
    mistakes: list[Mistake] = field(default_factory=list)
    _bad: set[Path] = field(default_factory=set)
    _holds_bad: set[Path] = field(default_factory=set)

    def add(self, path: Path, problem: str, remedy: str) -> None:
        """Note a mistake at ``path``."""
        self._bad.add(path)
        self._holds_bad.update(_upwards(path))
        if not self.full:
            self.mistakes.append(Mistake(self.where(path), shown(path), problem, remedy))

    def complain(self, path: Path, complaint: Complaint) -> None:
        """Note what a rule said."""
        self.add(path, complaint.problem, complaint.remedy)

    def bad(self, path: Path) -> bool:
        """Whether a mistake was noted at this key, in what it holds, or in what holds it."""
        return path in self._holds_bad or any(part in self._bad for part in _upwards(path))

    @property
    def full(self) -> bool:
        """Nothing more is noted: it would not be read."""
        return len(self.mistakes) >= MAX_MISTAKES

    def origin(self, path: Path) -> str | None:
        """What else than the file gave this value; None: the file."""
        return next((self.origins[part] for part in _upwards(path) if part in self.origins), None)

    def where(self, path: Path) -> str:
        """Where a person should look."""
        origin = self.origin(path)
        if origin is not None:
            return origin
        line = next((self.lines[part] for part in _upwards(path) if part in self.lines), None)
        return self.source if line is None else f"{self.source}:{line}"


def _upwards(path: Path) -> Iterable[Path]:
    return (path[:length] for length in range(len(path), 0, -1))


def shown(path: Path) -> str:
    """``lines[0].agent``; strange keys quoted and cut, so that no file can forge a line of output."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = re.fullmatch(r"[A-Za-z0-9_-]{1,64}", part)
            text += ("." if text else "") + (part if plain else ascii(part[:64]))
    return text


def suggestion(word: str, known: Iterable[str]) -> str:
    """``Did you mean "agent"? `` or nothing. Holds only what is known, never the word."""
    close = difflib.get_close_matches(word[:64].lower(), [*known], n=1, cutoff=0.6)
    return f'Did you mean "{close[0]}"? ' if close else ""
