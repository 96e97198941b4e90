"""``callbridge phone``: the simulated caller; account and token come from the bridge's own configuration if there is one."""

from __future__ import annotations

import argparse

from bridge.phone import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge phone``."""
    command.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Place the call."""
    from bridge.agents.demo.voice import Voice

    voice = Voice("en-us+m3")
    try:
        return command.run(args, speak=voice.speak)
    finally:
        voice.close()
