"""What the bridge stands on and whom it asks: database, disk, agents."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from bridge import settings as config
from bridge.agents.demo.voice import INSTALL, speaks
from bridge.assembly.agents import make_agent
from bridge.assembly.prompts import changed
from bridge.doctor.findings import Finding, fail, ok, warn
from bridge.errors import AgentFailure, ConfigurationError, StoreUnavailable
from bridge.store import schema
from bridge.store.database import Database
from bridge.store.url import parse

GIB: Final = 1024**3
LOW: Final = 1 * GIB
EMPTY: Final = GIB // 10
SLOW_S: Final = 0.5  # webhooks go on from memory after 0.7 s


async def database(settings: config.Settings) -> AsyncIterator[Finding]:
    """Does it answer, how quickly, and does it fit this code?"""
    subject = "database"
    place = parse(settings.database_url)
    if place.path is not None and not place.path.exists():
        yield ok(subject, f"{place.shown} is not there yet: callbridge serve will make it")
        return
    store = Database(settings.database_url)
    try:
        seconds = await store.ping()
        async with store.read() as connection:
            current = await connection.run_sync(schema.is_current)
    except StoreUnavailable as error:
        yield fail(subject, f"{place.shown} does not answer: {error}", error.hint or "Is it running and reachable?")
        return
    except ConfigurationError as error:
        for mistake in error.mistakes:
            yield fail(subject, mistake.problem, mistake.remedy)
        return
    finally:
        await store.close()
    if seconds > SLOW_S:
        yield warn(
            subject, f"an answer took {seconds * 1000:.0f} ms", "Put it nearer to the bridge: webhooks wait for it."
        )
    else:
        yield ok(subject, f"{place.shown} answers in {seconds * 1000:.1f} ms")
    if current:
        yield ok(subject, "its tables are up to date")
    else:
        yield ok(subject, "its tables are older: callbridge serve brings them up to date when it starts")
    if place.pgbouncer:
        yield ok(subject, "PgBouncer in transaction mode: no prepared statements are kept")


async def disk(settings: config.Settings) -> AsyncIterator[Finding]:
    """Is there room for records and recordings?"""
    place = parse(settings.database_url)
    folders = {"database": place.path.parent} if place.path is not None else {}
    if any(line.recording.mode == "bridge" for line in settings.lines):
        folders["recordings"] = Path(settings.recording.folder)
    for name, folder in folders.items():
        here = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
        free = shutil.disk_usage(here).free
        what = f"{free / GIB:.1f} GiB free for {name} in {folder}"
        remedy = "Make room, or shorten retention_days."
        yield (
            fail("disk", what, remedy)
            if free < EMPTY
            else warn("disk", what, remedy)
            if free < LOW
            else ok("disk", what)
        )


async def announcements(settings: config.Settings) -> AsyncIterator[Finding]:
    """Can what callers are told of a recording be spoken?"""
    if any(line.recording.mode != "off" and line.recording.announcement for line in settings.lines):
        yield ok("announcement", "can be spoken") if speaks() else fail("announcement", "cannot be spoken", INSTALL)


async def prompts(settings: config.Settings) -> AsyncIterator[Finding]:
    """Can the operator's own words be spoken on a live call?"""
    if changed(settings.prompts):
        kept = "are said in the bridge's own words on a live call"
        yield ok("prompts", "can be spoken") if speaks() else warn("prompts", kept, INSTALL)


async def agent(name: str, each: config.AgentSettings) -> AsyncIterator[Finding]:
    """Is its key taken, and is it there?"""
    subject = f"agent {name}"
    made = make_agent(name, each)
    if made is None:
        yield ok(subject, "is built in") if speaks() else warn(subject, "is built in, and has notes for words", INSTALL)
        return
    try:
        yield ok(subject, await made.check())
    except AgentFailure as failure:
        yield fail(subject, str(failure), failure.hint or f"Check api_key and base_url of [agents.{name}].")
    finally:
        await made.close()
