"""A file that keeps what could not be written before the process ended: JSON lines, one record each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bridge.store.document import Snapshot, restore, snapshot
from bridge.store.url import Place

MAX_BYTES = 64_000_000  # of a file that is read back; what this process writes is far below


def place(database: Place, port: int) -> Path:
    """Where the records of this process are kept for the next one on this port: beside SQLite's file, else in ``var``."""
    if database.path is not None:
        return database.path.with_name(f"{database.path.name}.unwritten-{port}")
    return Path("var") / f"callbridge.unwritten-{port}"


def write(path: Path, snapshots: Iterable[Snapshot]) -> None:
    """On the disk, surely, when it returns; readable by its owner only. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        for each in snapshots:
            file.write(each.document + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # or the name may be lost where the content is not
    finally:
        os.close(folder)


def read(path: Path) -> tuple[list[Snapshot], int]:
    """What is there, and how many lines could not be read. Raises OSError."""
    if not path.exists():
        return [], 0
    found: list[Snapshot] = []
    broken = 0
    with path.open("rb") as file:
        for line in file.read(MAX_BYTES).splitlines():
            try:
                found.append(snapshot(restore(line)))
            except (ValueError, TypeError):
                broken += 1
    return found, broken
