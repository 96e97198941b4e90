"""How long agents have talked on a day: one row for each run of an instance, which only that one writes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from sqlalchemy import delete, func, select

from bridge.store.database import Database
from bridge.store.tables import AGENT_TIME

KEPT: Final = timedelta(days=2)  # instances' clocks may not agree which day it is


class AgentTime:
    """Every method may raise StoreUnavailable. Removing a record takes nothing away here: what was spent was spent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, instance: str, today: date, seconds: float) -> float:
        """``instance`` has had so many agent-seconds ``today``, all in all; those of every other instance."""
        row = {"day": today.isoformat(), "instance": instance, "milliseconds": round(seconds * 1000)}
        insert = self._database.insert(AGENT_TIME).values(row)
        most = func.coalesce(func.sum(AGENT_TIME.c.milliseconds), 0)
        others = select(most).where(AGENT_TIME.c.day == row["day"], AGENT_TIME.c.instance != instance)
        async with self._database.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[AGENT_TIME.c.day, AGENT_TIME.c.instance],
                    set_={"milliseconds": row["milliseconds"]},
                )
            )
            return int((await connection.execute(others)).scalar_one()) / 1000

    async def purge(self, today: date) -> int:
        """Forget the days before yesterday; how many rows."""
        old = delete(AGENT_TIME).where(AGENT_TIME.c.day < (today - KEPT).isoformat())
        async with self._database.write() as connection:
            return (await connection.execute(old)).rowcount
