"""``callbridge call``: place a call through a running bridge."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any, Final

from bridge.cli.operator import Operator, add_operator, operator_of

POLL_S: Final = 0.5
DONE: Final = frozenset({"completed", "busy", "no_answer", "failed", "canceled"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge call``."""
    parser.add_argument("number", help="whom to call, in E.164: +15550123456")
    parser.add_argument("--from", dest="from_", metavar="NUMBER", help="which line of ours calls")
    parser.add_argument("--agent", help="which agent speaks (default: the line's)")
    parser.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="told to the agent; may be repeated"
    )
    parser.add_argument("--first-message", help="what the agent says first")
    parser.add_argument("--machine-detection", choices=("off", "detect", "leave_message"))
    parser.add_argument("--voicemail-message", help="what is said to a machine")
    parser.add_argument("--max-duration", type=int, metavar="SECONDS")
    parser.add_argument("--not-before", metavar="TIME", help="ISO 8601 with a zone")
    parser.add_argument("--not-after", metavar="TIME", help="ISO 8601 with a zone")
    parser.add_argument("--key", help="Idempotency-Key: the same key again is the same call")
    parser.add_argument("--wait", action="store_true", help="until the call is over; exit code 1 where it failed")
    parser.add_argument("--json", action="store_true", help="print the call as JSON")
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """Place it."""
    body = _body(args)
    if body is None:
        print("--var wants NAME=VALUE.", file=sys.stderr)
        return 2
    operator = operator_of(args)
    headers = {"Idempotency-Key": args.key} if args.key else {}
    call = operator.ask("POST", "/calls", body, headers, wanted="call_id")
    if args.wait:
        call = _wait(operator, call)
    if args.json:
        print(json.dumps(call, indent=2))
    else:
        outcome = call.get("outcome") or {}
        words = [call["call_id"], call["status"], outcome.get("reason", "")]
        why = f": {outcome['detail']}" if outcome.get("detail") else ""
        print(" ".join(filter(None, words)) + why)
    return 1 if args.wait and call["status"] != "completed" else 0


def _wait(operator: Operator, call: dict[str, Any]) -> dict[str, Any]:
    while call["status"] not in DONE:
        time.sleep(POLL_S)
        call = operator.ask("GET", f"/calls/{call['call_id']}", wanted="status")
    return call


def _body(args: argparse.Namespace) -> dict[str, Any] | None:
    body: dict[str, Any] = {"to": args.number}
    variables = {}
    for each in args.var:
        name, sign, value = each.partition("=")
        if not sign:
            return None
        variables[name] = value
    given = {
        "from": args.from_,
        "agent": args.agent,
        "variables": variables or None,
        "first_message": args.first_message,
        "machine_detection": args.machine_detection,
        "voicemail_message": args.voicemail_message,
        "max_duration_s": args.max_duration,
        "not_before": args.not_before,
        "not_after": args.not_after,
    }
    return body | {name: value for name, value in given.items() if value is not None}
