"""Signs of life."""

from __future__ import annotations

from datetime import timedelta

from bridge.store.database import Database
from bridge.store.instances import Instance, Instances


async def test_calls_of_all_living_instances_are_counted(database: Database) -> None:
    """Admission sees the whole deployment: the newest beat of each instance counts."""
    instances = Instances(database)
    await instances.beat("i-1", active_calls=1)
    await instances.beat("i-1", active_calls=3, draining=True)
    await instances.beat("i-2", active_calls=4)
    assert await instances.total() == 7
    assert await instances.all() == [
        Instance("i-1", 3, draining=True, alive=True),
        Instance("i-2", 4, draining=False, alive=True),
    ]


async def test_an_instance_that_is_not_heard_is_dead_until_it_has_left(database: Database) -> None:
    """Silence makes an instance dead, and its calls are not counted; one that left is not dead."""
    instances = Instances(database)
    await instances.beat("i-1", active_calls=3)
    silence = timedelta(seconds=-1)
    assert await instances.dead() == []
    assert await instances.dead(alive=silence) == ["i-1"]
    assert await instances.total(alive=silence) == 0
    await instances.leave("i-1")
    assert await instances.dead(alive=silence) == []
