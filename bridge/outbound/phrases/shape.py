"""What a language's table of phrases holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """``void`` is struck out first: it holds a phrase of another list and does not mean it.

    ``confirmed`` counts where its sentence holds nothing of ``against``; ``doubt`` and a refusal take back what was confirmed
    before, too.
    """

    void: tuple[str, ...]
    opted_out: tuple[str, ...]
    wrong_number: tuple[str, ...]
    rescheduled: tuple[str, ...]
    confirmed: tuple[str, ...]
    against: tuple[str, ...]
    doubt: tuple[str, ...]
