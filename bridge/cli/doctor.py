"""``callbridge doctor``: is everything as it must be for a call? One line each, with the remedy."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from urllib.parse import urlsplit

from bridge.cli import add_config
from bridge.doctor.checkup import checkup
from bridge.doctor.findings import Finding, fail
from bridge.errors import ConfigurationError
from bridge.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge doctor``."""
    add_config(parser)
    parser.add_argument("--fix", action="store_true", help="set webhook and status callback of every line's number")
    parser.add_argument(
        "--fallback-url", metavar="URL", help="with --fix: what a number asks while no instance answers"
    )
    parser.add_argument("--json", action="store_true", help="JSON instead of lines")


def run(args: argparse.Namespace) -> int:
    """Check: 0 nothing has failed, 1 something has, 2 the configuration is wrong."""
    if args.fallback_url and not args.fix:
        print("--fallback-url does nothing without --fix.", file=sys.stderr)
        return 2
    try:
        settings = Settings.load(args.config, os.environ)
    except ConfigurationError as error:
        mistakes = [
            fail("configuration", f"{each.where}: {each.key} {each.problem}", each.remedy) for each in error.mistakes
        ]
        _show(mistakes, as_json=args.json)
        return 2
    if args.fallback_url and not _elsewhere(args.fallback_url, settings.public_url or ""):
        print(
            "--fallback-url must be a web address that is not the bridge's own, such as a TwiML Bin's.", file=sys.stderr
        )
        return 2
    findings = asyncio.run(checkup(settings, fix=args.fix, fallback_url=args.fallback_url))
    _show(findings, as_json=args.json)
    return 1 if any(finding.level == "FAIL" for finding in findings) else 0


def _elsewhere(url: str, public_url: str) -> bool:
    """Whether it is an address that may answer while the bridge does not."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.netloc != urlsplit(public_url).netloc


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"findings": [finding.json() for finding in findings]}, indent=2))
        return
    for finding in findings:
        print(finding)
