"""``callbridge phone``: the simulated caller; account and token come from the bridge's own configuration if there is one."""

from __future__ import annotations

import argparse
import os

from bridge.cli import add_config
from bridge.errors import ConfigurationError
from bridge.phone import command
from bridge.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge phone``."""
    command.add_arguments(parser)
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Place the call."""
    from bridge.agents.demo.voice import Voice

    if not args.auth_token:
        _from_configuration(args)
    voice = Voice("en-us+m3")
    try:
        return command.run(args, speak=voice.speak)
    finally:
        voice.close()


def _from_configuration(args: argparse.Namespace) -> None:
    """Sign as the bridge of this configuration expects it. Without one the options alone count."""
    try:
        settings = Settings.load(args.config, os.environ, serving=False)
    except ConfigurationError:
        if args.config is not None:
            raise
        return
    twilio = settings.carriers.twilio
    if twilio is not None:
        args.account_sid = twilio.account_sid
        args.auth_token = twilio.auth_token[0].reveal()
        args.public_url = args.public_url or settings.public_url
