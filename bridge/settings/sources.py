"""The configuration file: its text, its tables, the line of each key, and ``${NAME}`` in its strings."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

from bridge.errors import ConfigurationError, Mistake
from bridge.settings.report import Path

MAX_BYTES: Final = 1 << 20  # of a configuration file

_REFERENCE: Final = re.compile(r"(\$?)\$\{([^}]*)\}")
_NAME_AND_DEFAULT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED: Final = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER: Final = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]")
_ASSIGNMENT: Final = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")


class Verbatim(str):
    """A text from the environment: taken as it stands, and read as a number, a list or a table where one is wanted."""

    __slots__ = ()


class UnsetVariable(Exception):
    """A ``${NAME}`` without a default whose variable is not set. Its text is the complaint."""


@dataclass(frozen=True, slots=True)
class File:
    """A configuration file that could be read."""

    tree: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)
    readable_by_all: bool = False


def read(name: str) -> File:
    """Read and parse. Raises ConfigurationError with the one mistake that hides all others."""

    def refuse(problem: str, remedy: str, where: str = name) -> ConfigurationError:
        return ConfigurationError([Mistake(where, "(file)", problem, remedy)])

    try:
        with FilePath(name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
            mode = FilePath(name).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise refuse(
            "does not exist", "Copy config/bridge.example.toml there, or name the file with --config or $BRIDGE_CONFIG."
        ) from None
    except IsADirectoryError:
        raise refuse("is a folder", "Name the file in it.") from None
    except PermissionError:
        raise refuse("may not be read", "Let the user that runs the bridge read it: chmod, chown.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise refuse(f"cannot be read ({type(error).__name__})", "Check the name and the disk.") from None
    if len(content) > MAX_BYTES:
        raise refuse("is larger than 1 MiB", "Name the configuration file, not something else.")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refuse("is not UTF-8", "Save it as UTF-8.", f"{name}:{line}") from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # its message quotes at most keys and single characters; the place at its end goes where places go
        message, _, place = str(error).rpartition(" (at ")
        printable = "".join(letter if letter.isprintable() else "?" for letter in message)
        found = re.match(r"line (\d+)", place)
        where = f"{name}:{found[1]}" if found else f"{name}:{text.rstrip().count(chr(10)) + 1}"
        raise refuse(
            f"is not valid TOML: {printable[:120]}", "Put it right; https://toml.io has the rules.", where
        ) from None
    except (RecursionError, ValueError):
        raise refuse("is nested too deeply, or holds a number too long", "Put it right.") from None
    return File(tree, locate(text), readable_by_all=bool(mode & stat.S_IROTH))


def locate(text: str) -> dict[Path, int]:
    """The line, from 1, of each table and key of a valid TOML text. What stands in inline tables is not looked for."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}  # of arrays of tables
    table: Path = ()
    fence = ""  # the quotes of the multi-line string that we are in
    for number, line in enumerate(text.split("\n"), 1):
        if not fence:
            if header := _HEADER.match(line):
                table = _resolve(_split(header[2]), counts)
                if header[1] == "[[":
                    counts[table] = counts.get(table, 0) + 1
                    table = (*table, counts[table] - 1)
                found.setdefault(table, number)
            elif assignment := _ASSIGNMENT.match(line):
                found.setdefault(table + _split(assignment[1]), number)
        for quotes in re.findall(r'"""|' + "'''", line):
            fence = "" if quotes == fence else fence or quotes
    return found


def _split(dotted: str) -> Path:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, dotted))


def _resolve(keys: Path, counts: Mapping[Path, int]) -> Path:
    """A header under an array of tables belongs to its last element."""
    path: Path = ()
    for position, key in enumerate(keys, 1):
        path = (*path, key)
        if path in counts and position < len(keys):
            path = (*path, counts[path] - 1)
    return path


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Put variables in: ``${NAME}``, ``${NAME:-default}`` (as in a shell: unset or empty); ``$${`` stands for ``${``.

    A Verbatim if anything was put in. Raises UnsetVariable.
    """
    taken = False

    def value(found: re.Match[str]) -> str:
        nonlocal taken
        if found[1]:
            return "${" + found[2] + "}"
        parts = _NAME_AND_DEFAULT.fullmatch(found[2])
        if parts is None:
            raise UnsetVariable("holds ${...} without the name of a variable in it")
        taken = True
        given = environ.get(parts[1])
        if given or (given is not None and parts[2] is None):
            return given
        if parts[2] is None:
            raise UnsetVariable(f"takes the environment variable {parts[1][:64]}, which is not set")
        return parts[2]

    result = _REFERENCE.sub(value, text)
    return Verbatim(result) if taken else result
