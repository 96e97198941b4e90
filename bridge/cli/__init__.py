"""The command ``callbridge``: 0 done, 1 failed, 2 used wrongly.

A module for each command, imported only when it is asked for: ``callbridge --help`` loads nothing heavy.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

from bridge.errors import BridgeError, ConfigurationError, Mistake

if TYPE_CHECKING:
    from bridge.settings import Settings

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "serve": ("bridge.cli.serve", "answer phone calls"),
    "demo": ("bridge.cli.demo", "one simulated call to the built-in agent, then a bridge to play with"),
    "phone": ("bridge.cli.phone", "call a bridge as a simulated caller"),
    "call": ("bridge.cli.call", "place a call"),
    "campaign": ("bridge.cli.campaign", "call many people: create, preview, start, pause, status, results"),
    "worker": ("bridge.cli.worker", "place the calls that wait; serve starts one itself"),
    "calls": ("bridge.cli.calls", "list, show, export and delete records"),
    "events": ("bridge.cli.events", "what has not been delivered; dead letters sent again"),
    "doctor": (
        "bridge.cli.doctor",
        "check configuration, credentials, addresses, database: a line each with the remedy",
    ),
    "bench": ("bridge.cli.bench", "what this machine carries, and what a frame costs"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command."""
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="callbridge", description="A bridge between phone calls and voice agents.")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        sub = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if arguments and name in arguments[:1]:
            import_module(module).add_arguments(sub)
    args = parser.parse_args(arguments)
    if args.version:
        from importlib.metadata import version

        print(version("callbridge"))
        return 0
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    run: Callable[[argparse.Namespace], int] = import_module(COMMANDS[args.command][0]).run
    try:
        return run(args)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        return 2
    except BridgeError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has stopped reading: `callbridge calls list | head`.
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        print(f"{error.filename} cannot be used: {error.strerror}. Name another file.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def add_config(parser: argparse.ArgumentParser) -> None:
    """``--config``, which every command that reads settings has."""
    parser.add_argument("--config", metavar="FILE", help="default: $BRIDGE_CONFIG, else config/bridge.toml")


def with_carrier(settings: Settings) -> Settings:
    """They, where calls can come from somewhere. Raises ConfigurationError."""
    if settings.carriers.twilio is None:
        remedy = "Set account_sid and auth_token: calls have to come from somewhere. (callbridge demo needs none.)"
        raise ConfigurationError([Mistake("settings", "carriers.twilio", "is missing", remedy)])
    return settings
