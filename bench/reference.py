"""``python -m bench.reference`` writes the pages of ``docs/reference`` out of the code; ``--check``: are they up to date?"""

from __future__ import annotations

import argparse
import json
import os
import sys
import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from bridge.cli import COMMANDS
from bridge.errors import Reason
from bridge.settings.services import EventType
from bridge.tools.builtin import SCHEMAS
from bridge.web.metrics import Metrics, Sources
from bridge.web.openapi import document

ROOT: Final = Path(__file__).parent.parent
PLACE: Final = ROOT / "docs/reference"
NOTE: Final = "<!-- Written by python -m bench.reference. Change the code instead. -->\n"


def configuration() -> str:
    """Every key: the example file, of which a test proves that it has them all."""
    text = (ROOT / "config/bridge.example.toml").read_text()
    return f"# Configuration\n\nEvery key, as `config/bridge.example.toml` has it.\n\n```toml\n{text.rstrip()}\n```\n"


def commands() -> str:
    """What ``--help`` says."""
    os.environ |= {"COLUMNS": "110", "NO_COLOR": "1"}
    text = "# Command line\n\nExit codes: 0 done, 1 failed, 2 used wrongly.\n"
    for name, (module, summary) in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"callbridge {name}", description=summary[0].upper() + summary[1:] + ".")
        import_module(module).add_arguments(parser)
        for each in _with_verbs(parser):
            level = "##" if each is parser else "###"
            text += f"\n{level} {each.prog}\n\n```text\n{each.format_help().rstrip()}\n```\n"
    return text


def _with_verbs(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to its subparsers
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield from action.choices.values()


def reasons() -> str:
    """The closed list of ends."""
    rows = "".join(f"| `{each}` | {each.side} | {each.class_} |\n" for each in Reason)
    return (
        "# Why a call ended\n\nEvery record of a call that is over has exactly one of these as `outcome.reason`.\n\n"
        f"| reason | side | class |\n|---|---|---|\n{rows}"
    )


def metrics() -> str:
    """What ``GET /metrics`` offers."""

    class Board:
        """An instance without calls."""

        def __getattr__(self, name: str) -> Any:
            return {} if name == "refused" else Board() if name in ("lag", "meter") else 0

    sources = Sources(Board(), lambda: 0, lambda: 0, dict, lambda: 0, lambda: 0)  # type: ignore[arg-type]
    rows = ""
    for each in sorted(Metrics(sources, frozenset()).registry.collect(), key=lambda each: each.name):
        name = each.name + ("_total" if each.type == "counter" else "")
        rows += f"| `{name}` | {each.type} | {each.documentation} |\n"
    return (
        "# Metrics\n\n`GET /metrics`, on loopback or with an operator key. Labels are from closed lists and configured names.\n\n"
        f"| metric | type | |\n|---|---|---|\n{rows}"
    )


def events() -> str:
    """What is told to ``[events.NAME]``."""
    rows = "".join(f"* `{each}`\n" for each in typing.get_args(EventType))
    return (
        "# Events\n\nWhat `[events.NAME]` endpoints are told: JSON, signed as Standard Webhooks has it, at least once and in order"
        f" for each call. `types` names those that an endpoint wants; none for all.\n\n{rows}"
    )


def tools() -> str:
    """What agents may ask of the bridge itself."""
    text = "# Built-in tools\n\nDone by the bridge itself, for the call at hand and nothing else. Arguments as JSON Schema.\n"
    for name, schema in SCHEMAS.items():
        text += f"\n## {name}\n\n```json\n{json.dumps(schema, indent=2)}\n```\n"
    return text


def api() -> str:
    """The operator API in short."""
    rows = "".join(
        f"| `{method.upper()} {path}` | {does.get('summary', '')} |\n"
        for path, methods in document("https://bridge.example.com")["paths"].items()
        for method, does in methods.items()
        if isinstance(does, dict)
    )
    return (
        "# Operator API\n\n`Authorization: Bearer KEY`, JSON, `Idempotency-Key` honoured. The whole description is at\n"
        "`/api/v1/openapi.json` of a running bridge, and [here](openapi.json).\n\n"
        f"| route | |\n|---|---|\n{rows}"
    )


def openapi() -> str:
    """It as JSON."""
    return json.dumps(document("https://bridge.example.com"), indent=1) + "\n"


PAGES: Final = {
    "configuration.md": configuration,
    "commands.md": commands,
    "reasons.md": reasons,
    "metrics.md": metrics,
    "events.md": events,
    "tools.md": tools,
    "api.md": api,
    "openapi.json": openapi,
}


def stale() -> list[str]:
    """The pages that the code would write otherwise."""
    return [name for name, text in _written() if not (PLACE / name).exists() or (PLACE / name).read_text() != text]


def _written() -> Iterator[tuple[str, str]]:
    for name, write in PAGES.items():
        yield name, (NOTE if name.endswith(".md") else "") + write()


def main() -> int:
    """Write them, or look."""
    if "--check" in sys.argv[1:]:
        for name in stale():
            print(f"docs/reference/{name} is not up to date: python -m bench.reference", file=sys.stderr)
        return 1 if stale() else 0
    PLACE.mkdir(parents=True, exist_ok=True)
    for name, text in _written():
        (PLACE / name).write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
