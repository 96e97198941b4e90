"""Signs of life."""

from __future__ import annotations

import random
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


async def test_workers_are_no_bridges(database: Database) -> None:
    """Each kind sees its own: a worker takes no part of the calls, and nobody asks what became of its calls."""
    bridges, workers = Instances(database), Instances(database, kind="worker")
    await bridges.beat("i-1", active_calls=1)
    await workers.beat("w-1", active_calls=0, draining=True)
    assert [each.id for each in await bridges.all()] == ["i-1"]
    assert [each.id for each in await workers.all()] == ["w-1"]
    assert await bridges.dead(alive=timedelta(seconds=-1)) == ["i-1"]
    assert await bridges.share("i-1", active_calls=0, total=4) == 4
    assert [each.id for each in await workers.all()] == ["w-1"]


async def test_shares_never_exceed_the_total(database: Database) -> None:
    """Whatever the instances do between two shares, as long as each keeps to its own they never have more calls than the total."""
    instances = Instances(database)
    chance = random.Random(7)
    total = 10
    calls = {"i-1": 0, "i-2": 0, "i-3": 0}
    ceilings = dict.fromkeys(calls, 0)
    most = 0
    for _ in range(120):
        name = chance.choice([*calls])
        ceilings[name] = await instances.share(name, active_calls=calls[name], total=total)
        for each in calls:
            calls[each] = chance.randint(0, ceilings[each]) if chance.random() < 0.3 else ceilings[each]
        most = max(most, sum(calls.values()))
        assert sum(calls.values()) <= total
    assert most == total


async def test_a_new_instance_gets_its_part_of_what_is_free(database: Database) -> None:
    """One alone may have all; a second gets its half once the first has given it up, and the last free call is somebody's."""
    instances = Instances(database)
    assert await instances.share("i-1", active_calls=0, total=5) == 5
    assert await instances.share("i-2", active_calls=0, total=5) == 0
    assert await instances.share("i-1", active_calls=0, total=5) == 3
    assert await instances.share("i-2", active_calls=0, total=5) == 2
    assert await instances.share("i-1", active_calls=1, total=5, draining=True) == 1
    assert await instances.share("i-2", active_calls=2, total=5) == 4
