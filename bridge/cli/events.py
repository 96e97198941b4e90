"""``callbridge events``: what business systems have not taken yet, and dead letters sent again."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from typing import Any

from bridge.call.record import iso
from bridge.cli import add_config
from bridge.settings import Settings
from bridge.store.database import Database
from bridge.store.outbox import Outbox, Waiting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge events``."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|resend", required=True)
    listing = verbs.add_parser("list", help="what has not been delivered, oldest first")
    listing.add_argument("--dead", action="store_true", help="only what was given up")
    listing.add_argument("--limit", type=int, default=100)
    listing.add_argument("--json", action="store_true", help="JSON instead of words")
    resend = verbs.add_parser("resend", help="try dead letters again")
    resend.add_argument("id", nargs="*", help="evt_... or msg_..., as listed")
    resend.add_argument("--all", action="store_true", help="every one of them")
    for each in (listing, resend):
        add_config(each)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.verb == "resend" and bool(args.id) == args.all:
        print("Name the ids, or say --all.", file=sys.stderr)
        return 2
    settings = Settings.load(args.config, os.environ, serving=False)
    return asyncio.run(_run(args, settings))


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    database = Database(settings.database_url)
    try:
        await database.migrate()
        outbox = Outbox(database)
        if args.verb == "resend":
            return await _resend(args, outbox)
        return _list(args, await outbox.list(dead=True if args.dead else None, limit=max(args.limit, 1)))
    finally:
        await database.close()


def _list(args: argparse.Namespace, found: list[Waiting]) -> int:
    if args.json:
        print(json.dumps({"messages": [_public(each) for each in found]}, indent=2))
        return 0
    for each in found:
        state = "dead" if each.dead_at else "waiting"
        why = f"  {each.error}" if each.error else ""
        head = f"{each.message_id}  {iso(each.created_at)}  {each.channel:20}  {each.kind:16}"
        print(f"{head}  {state:8}  {each.attempts} attempts{why}")
    if not found:
        print("nothing is left to deliver")
    return 0


def _public(each: Waiting) -> dict[str, Any]:
    return {
        "id": each.message_id,
        "channel": each.channel,
        "type": each.kind,
        "call_id": each.lane,
        "attempts": each.attempts,
        "created_at": iso(each.created_at),
        "due_at": iso(each.due_at),
        "dead_at": iso(each.dead_at),
        "error": each.error,
    }


async def _resend(args: argparse.Namespace, outbox: Outbox) -> int:
    count = await outbox.resend(None if args.all else args.id)
    print(f"{count} will be sent again")
    return 0 if count or args.all else 1
