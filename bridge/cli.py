"""The command ``callbridge``."""

from __future__ import annotations


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code: 0 done, 1 failed, 2 used wrongly."""
    del argv
    return 2
