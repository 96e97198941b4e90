"""``callbridge calls``: the records, straight from the database."""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from bridge.call.record import CallRecord, Direction, Status
from bridge.cli import add_config
from bridge.settings import Settings
from bridge.store.calls import Calls
from bridge.store.database import Database

COLUMNS: Final = (
    "call_id", "carrier_call_id", "direction", "from", "to", "line", "agent", "status", "side", "class", "reason",
    "created_at", "started_at", "ended_at", "duration_s", "turns",
)  # fmt: skip
PAGE: Final = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge calls``."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|show|export|delete|diagnose", required=True)
    listing = verbs.add_parser("list", help="the newest records, a line each")
    listing.add_argument("--limit", type=_limit, default=20, metavar="N", help="how many at the most (%(default)s)")
    export = verbs.add_parser("export", help="all records as CSV or JSON lines")
    export.add_argument("--format", choices=("csv", "jsonl"), default="jsonl")
    for each in (listing, export):
        each.add_argument("--status", choices=[str(status) for status in Status])
        each.add_argument("--direction", choices=[str(direction) for direction in Direction])
        each.add_argument("--agent")
    show = verbs.add_parser("show", help="one record, whole")
    delete = verbs.add_parser("delete", help="remove a record for good")
    diagnose = verbs.add_parser("diagnose", help="which hop broke the sound (needs record_hops = true)")
    diagnose.add_argument("--picture", metavar="FILE", help="draw the four taps there, as SVG")
    for each in (show, delete, diagnose):
        each.add_argument("id", help="call_... or the carrier's own id")
    delete.add_argument("--agent-too", action="store_true", help="the agent's own account of the conversation as well")
    for each in (listing, show, export, delete, diagnose):
        add_config(each)
    for each in (listing, show, diagnose):
        each.add_argument("--json", action="store_true", help="JSON instead of words")


def _limit(text: str) -> int:
    limit = int(text)
    if limit < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return limit


def run(args: argparse.Namespace) -> int:
    """Do it."""
    settings = Settings.load(args.config, os.environ, serving=False)
    return asyncio.run(_run(args, settings))


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    database = Database(settings.database_url)
    try:
        await database.migrate()
        calls = Calls(database)
        if args.verb == "list":
            return await _list(args, calls)
        if args.verb == "export":
            return await _export(args, calls)
        if args.verb == "show":
            return await _show(args, calls)
        if args.verb == "diagnose":
            return await _diagnose(args, calls, settings)
        return await _delete(args, calls, settings)
    finally:
        await database.close()


async def _records(args: argparse.Namespace, calls: Calls, limit: int | None) -> AsyncIterator[CallRecord]:
    cursor: str | None = None
    left = limit
    while left is None or left > 0:
        page = await calls.list(
            limit=PAGE if left is None else min(left, PAGE),
            cursor=cursor,
            status=_status(args.status),
            direction=Direction(args.direction) if args.direction else None,
            agent=args.agent,
        )
        for record in page.calls:
            yield record
        left = None if left is None else left - len(page.calls)
        cursor = page.next_cursor
        if cursor is None:
            return


async def _list(args: argparse.Namespace, calls: Calls) -> int:
    found = [record.public() async for record in _records(args, calls, args.limit)]
    if args.json:
        print(json.dumps({"calls": found}, indent=2))
        return 0
    for body in found:
        outcome = body["outcome"]["reason"] if body["outcome"] else "-"
        duration = "-" if body["duration_s"] is None else f"{body['duration_s']:.0f} s"
        print(
            f"{body['call_id']}  {body['created_at']}  {body['direction']:8}  {body['from'] or 'withheld':>15} -> "
            f"{body['to']:>15}  {body['agent']:12}  {body['status']:11}  {outcome:16}  {duration}"
        )
    if not found:
        print("no calls")
    return 0


async def _show(args: argparse.Namespace, calls: Calls) -> int:
    record = await calls.get(args.id)
    if record is None:
        print(f"There is no call {args.id}.", file=sys.stderr)
        return 1
    body = record.public()
    if args.json:
        print(json.dumps(body, indent=2))
        return 0
    for key, value in body.items():
        if key not in ("turns", "events", "latency", "outcome"):
            print(f"{key:22} {'-' if value is None else value}")
    if body["outcome"]:
        print(f"{'outcome':22} {body['outcome']['reason']} ({body['outcome']['side']}, {body['outcome']['class']})")
    for key, value in body["latency"].items():
        print(f"{key:22} {'-' if value in (None, []) else value}")
    for turn in body["turns"]:
        cut = f"   [heard: {turn['heard']}]" if turn["interrupted"] else ""
        print(f"{turn['at_ms'] / 1000:8.1f} s  {turn['role']:6}  {turn['text']}{cut}")
    return 0


async def _diagnose(args: argparse.Namespace, calls: Calls, settings: Settings) -> int:
    from bridge.assembly.diagnosis import report

    record = await calls.get(args.id)
    if record is None:
        print(f"There is no call {args.id}.", file=sys.stderr)
        return 1
    told = report(settings, record, Path(args.picture) if args.picture else None)
    if args.json:
        print(json.dumps(told, indent=2))
        return 0
    print(told["verdict"])
    for each in told["findings"]:
        print(f"{each['at_s']:8.1f} s  {each['hop']:9}  {each['kind']:8}  {each['found']}")
    return 0


async def _export(args: argparse.Namespace, calls: Calls) -> int:
    if args.format == "jsonl":
        async for record in _records(args, calls, None):
            print(json.dumps(record.public(), ensure_ascii=False))
        return 0
    writer = csv.writer(sys.stdout)
    writer.writerow(COLUMNS)
    async for record in _records(args, calls, None):
        writer.writerow(_row(record.public()))
    return 0


def _row(body: dict[str, Any]) -> list[str]:
    flat = {**body, **(body["outcome"] or {}), "turns": len(body["turns"])}
    return [_safe(flat.get(name)) for name in COLUMNS]


def _safe(value: object) -> str:
    """A spreadsheet takes =, +, - and @ at the start of a cell for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in "=+-@\t\r\n" and text else text


async def _delete(args: argparse.Namespace, calls: Calls, settings: Settings) -> int:
    record = await calls.get(args.id)
    if record is None:
        print(f"There is no call {args.id}.", file=sys.stderr)
        return 1
    if not record.status.terminal:  # before the agent is asked to forget it
        print("The call is still live: end it first.", file=sys.stderr)
        return 1
    if args.agent_too and record.agent_conversation_id:
        from bridge.assembly.agents import forget_conversation

        print(await forget_conversation(settings, record))
    if await calls.delete(args.id) is None:
        print("Somebody else has deleted it meanwhile.", file=sys.stderr)
        return 1
    print("deleted")
    return 0


def _status(name: str | None) -> Status | None:
    return next((status for status in Status if status == name), None)
