"""A campaign from a request: its rules, its people, judged in a process of its own.

Ten thousand lines take a second of computing, which the process that carries sound must not feel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from typing import Any, Final

import msgspec

from bridge.outbound.people import MAX_BYTES, Preview, Reader
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.rules import Defaults, Rules, read_rules

MAX_BODY: Final = MAX_BYTES + 1024 * 1024
APART: Final = 64 * 1024  # bytes from which on it is worth a process
JUDGE_S: Final = 120.0


class CampaignBody(msgspec.Struct, forbid_unknown_fields=True):
    """``people``: a list of objects; or ``csv``: a text with a head line."""

    name: str = ""
    rules: dict[str, Any] = msgspec.field(default_factory=dict)
    people: msgspec.Raw = msgspec.Raw(b"")
    csv: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A campaign that may be stored."""

    name: str
    rules: Mapping[str, Any]
    preview: Preview


def judge(raw: bytes, policy: Policy, defaults: Defaults, now: datetime) -> Judged:
    """Read and check everything. Raises Refused: then nothing of it is taken."""
    try:
        body = msgspec.json.decode(raw, type=CampaignBody)
    except msgspec.ValidationError as error:
        raise Refused(f"the body is not as it should be: {str(error)[:200]}", hint="See docs/campaigns.md.") from None
    except (ValueError, RecursionError):
        raise Refused("the body is not JSON", status=400, hint="Send a JSON object in UTF-8.") from None
    if len(body.name) > 200 or (body.csv is None) == (not bytes(body.people)):
        raise Refused(
            "the campaign has no people, or two lists", hint='Give "people" or "csv", and a name of at most 200.'
        )
    rules: Rules = read_rules(body.rules, policy, defaults)
    reader = Reader(policy, rules, defaults, now)
    if body.csv is not None:
        preview = reader.read(body.csv.encode(), json=False)
    else:
        preview = reader.read(bytes(body.people), json=True)
    kept: Mapping[str, Any] = msgspec.to_builtins(rules)
    return Judged(body.name or "campaign", kept, preview)


async def judge_apart(raw: bytes, policy: Policy, defaults: Defaults, now: datetime) -> Judged:
    """``judge`` elsewhere, where it is much."""
    if len(raw) < APART:
        return judge(raw, policy, defaults, now)
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    try:
        async with asyncio.timeout(JUDGE_S):
            kind, found = await asyncio.get_running_loop().run_in_executor(
                pool, _judge_plainly, raw, policy, defaults, now
            )
    except (TimeoutError, BrokenProcessPool):
        raise Refused("the list could not be read", status=503, hint="Make it several.", retry_after_s=60) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # waiting would hold up the calls
    if kind == "refused":
        raise Refused(*found[:1], status=found[1], hint=found[2])
    judged: Judged = found
    return judged


def _judge_plainly(raw: bytes, policy: Policy, defaults: Defaults, now: datetime) -> tuple[str, Any]:
    """An exception with keywords does not come through between processes."""
    try:
        return "judged", judge(raw, policy, defaults, now)
    except Refused as error:
        return "refused", (str(error), error.status, error.hint)
