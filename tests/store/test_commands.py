"""The mailboxes of the instances."""

from __future__ import annotations

import asyncio
import itertools

from sqlalchemy import text

from bridge.store.commands import Command, Commands
from bridge.store.database import Database


async def test_commands_come_in_order_to_the_instance_they_are_for(database: Database) -> None:
    """What an operator asks reaches the process that has the call, in the order asked."""
    commands = Commands(database)
    for digit in "123":
        await commands.put(Command("call_1", "digits", {"digits": digit}), instance="i-1")
    await commands.put(Command("call_2", "hangup", {}), instance="i-2")
    assert [command.args["digits"] for command in await commands.take("i-1")] == ["1", "2", "3"]
    assert await commands.take("i-1") == []
    assert await commands.take("i-2") == [Command("call_2", "hangup", {})]


async def test_a_command_is_taken_once(database: Database) -> None:
    """Of polls at the same time one gets it."""
    commands = Commands(database)
    await commands.put(Command("call_1", "hangup", {}), instance="i-1")
    taken = itertools.chain(*await asyncio.gather(*(commands.take("i-1") for _ in range(10))))
    assert list(taken) == [Command("call_1", "hangup", {})]


async def test_an_old_command_is_thrown_away(database: Database) -> None:
    """What nobody took for a minute is not done to whoever is on the phone now."""
    commands = Commands(database)
    await commands.put(Command("call_1", "hangup", {}), instance="i-1")
    async with database.write() as connection:
        await connection.execute(text("UPDATE commands SET put_us = put_us - 61000000"))
    assert await commands.take("i-1") == []


async def test_what_was_asked_of_a_call_goes_with_it(database: Database) -> None:
    """To the instance that has taken it over; other calls' orders stay where they are."""
    commands = Commands(database)
    for call in ("call_1", "call_2"):
        await commands.put(Command(call, "hangup", {}), instance="i-1")
    await commands.put(Command("call_1", "hangup", {}), instance="i-3")
    await commands.readdress("call_1", former="i-1", instance="i-2")
    assert await commands.take("i-2") == [Command("call_1", "hangup", {})]
    assert await commands.take("i-1") == [Command("call_2", "hangup", {})]
    assert await commands.take("i-3") == [Command("call_1", "hangup", {})]
