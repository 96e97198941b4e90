"""``callbridge campaign``: campaigns of a running bridge."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from bridge.cli.operator import Operator, add_operator, operator_of
from bridge.errors import BridgeError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge campaign``."""
    verbs = parser.add_subparsers(dest="verb", metavar="ACTION", required=True)
    for name, summary in (
        ("create", "store a campaign; it waits for start"),
        ("preview", "who would be called, and who not, and why"),
    ):
        sub = verbs.add_parser(name, help=summary)
        sub.add_argument("file", help="CSV with a head line, or JSON: a list of objects")
        sub.add_argument("--name", default="", help="of the campaign")
        sub.add_argument("--rules", metavar="FILE", help="TOML or JSON: hours, limits, retries")
        sub.add_argument("--key", help="Idempotency-Key: the same key again is the same campaign")
        if name == "create":
            sub.add_argument("--start", action="store_true", help="begin at once")
        _common(sub)
    for name in ("start", "pause", "resume", "cancel"):
        sub = verbs.add_parser(name, help=f"{name} a campaign")
        sub.add_argument("campaign_id")
        _common(sub)
    sub = verbs.add_parser("change", help="other rules, from the next call on")
    sub.add_argument("campaign_id")
    sub.add_argument("--rules", metavar="FILE", required=True, help="TOML or JSON: laid over the present ones")
    _common(sub)
    sub = verbs.add_parser("status", help="how it stands; without an id, all of them")
    sub.add_argument("campaign_id", nargs="?")
    _common(sub)
    sub = verbs.add_parser("results", help="a line for each person, as CSV")
    sub.add_argument("campaign_id")
    sub.add_argument("--out", metavar="FILE", help="default: standard output")
    _common(sub)
    sub = verbs.add_parser("suppress", help="numbers that nobody may call any more")
    sub.add_argument("number", nargs="+", help="in E.164, or @FILE: a number a line")
    _common(sub)


def run(args: argparse.Namespace) -> int:
    """One action."""
    operator = operator_of(args)
    verb = args.verb
    if verb in {"create", "preview"}:
        return _send(operator, args)
    if verb == "status":
        found = operator.ask("GET", f"/campaigns/{args.campaign_id}" if args.campaign_id else "/campaigns")
        return _show(found, args)
    if verb == "results":
        return _results(operator, args)
    if verb == "suppress":
        return _show(operator.ask("POST", "/suppressions", {"numbers": _numbers(args.number)}), args)
    if verb == "change":
        return _show(operator.ask("PATCH", f"/campaigns/{args.campaign_id}", {"rules": _rules(args.rules)}), args)
    return _show(operator.ask("POST", f"/campaigns/{args.campaign_id}/{verb}", {}), args)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    add_operator(parser)


def _send(operator: Operator, args: argparse.Namespace) -> int:
    text = _read(args.file)
    body: dict[str, Any] = {
        "name": args.name or Path(args.file).stem,
        "rules": _rules(args.rules) if args.rules else {},
    }
    if text.lstrip().startswith("["):
        body["people"] = _json(text, args.file)
    else:
        body["csv"] = text
    headers = {"Idempotency-Key": args.key} if args.key else {}
    path = "/campaigns/preview" if args.verb == "preview" else "/campaigns"
    made = operator.ask("POST", path, body, headers, wanted="summary")
    if args.verb == "create" and args.start:
        made.update(operator.ask("POST", f"/campaigns/{made['campaign_id']}/start", {}))
    if args.json:
        return _show(made, args)
    if "campaign_id" in made:
        print(f"{made['campaign_id']} {made['state']}")
    print(made["summary"])
    for each in made["lines"]:
        print(f"  line {each['line']}: {each['why']}")
    return 0


def _results(operator: Operator, args: argparse.Namespace) -> int:
    path = f"/campaigns/{args.campaign_id}/results" + ("?format=json" if args.json else "")
    found = operator.raw("GET", path)
    if args.out:
        Path(args.out).write_bytes(found)
    else:
        sys.stdout.write(found.decode())
    return 0


def _show(found: dict[str, Any], args: argparse.Namespace) -> int:
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for each in found.get("campaigns", [found]):
        print(
            "  ".join(
                f"{key}={_brief(value)}" for key, value in each.items() if key != "rules" and value not in ("", None)
            )
        )
    return 0


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}:{item}" for key, item in sorted(value.items())) or "-"
    return str(value)


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BridgeError(f"{name} cannot be read ({type(error).__name__}).", hint="Is it a file in UTF-8?") from None


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BridgeError(f"{name} is no JSON: {error}.", hint="Is it complete?") from None


def _rules(name: str) -> dict[str, Any]:
    text = _read(name)
    if text.lstrip().startswith("{"):
        found = _json(text, name)
    else:
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BridgeError(f"{name} is no TOML: {error}.", hint="Or write JSON.") from None
    plain: dict[str, Any] = json.loads(json.dumps(found, default=lambda value: value.isoformat()))
    return plain


def _numbers(given: list[str]) -> list[str]:
    found: list[str] = []
    for each in given:
        lines = _read(each[1:]).splitlines() if each.startswith("@") else [each]
        found += [line.strip() for line in lines if line.strip() and line.strip().lower() != "number"]
    return found
