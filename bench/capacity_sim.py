"""``python -m bench.capacity_sim``: admission and failover of many instances, simulated call by call on a virtual clock.

Callers come at random (Poisson), talk for a random time (exponential), and are sent to the instance with the fewest calls
or in turn. Instances are killed, which sends their calls to the others, or restarted one after another by drain.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Plan:
    """What is simulated. Times in seconds."""

    instances: int = 100
    max_calls: int = 200
    load: float = 10_000.0  # calls at once that callers want, on average
    talk_s: float = 180.0
    hours: float = 1.0
    balance: str = "least"  # or "turn"
    kills: int = 0  # instances that die at once, in the middle
    restart_s: float = 5.0
    roll: bool = False  # restart every instance by drain, one after another
    seed: int = 1


@dataclass
class Instance:
    """A process."""

    calls: set[int] = field(default_factory=set)
    ready: bool = True
    peak: int = 0


@dataclass
class Result:
    """What came of it."""

    offered: int = 0
    blocked: int = 0
    resumed: int = 0
    over_limit: int = 0  # the most calls beyond max_calls that an instance had to take over
    peak: int = 0  # calls at once, over all
    busiest: int = 0  # of one instance
    roll_minutes: float = 0.0


class Simulation:
    """One run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.result = Result()
        self._random = random.Random(plan.seed)
        self._instances = [Instance() for _ in range(plan.instances)]
        self._where: dict[int, int] = {}
        self._events: list[tuple[float, int, str, int]] = []
        self._count = 0
        self._turn = 0
        self._draining: int | None = None

    def run(self) -> Result:
        """To the end."""
        plan = self.plan
        end = plan.hours * 3600
        self._at(0.0, "call", 0)
        for n in range(plan.kills):
            self._at(end / 2, "kill", n)
        if plan.roll:
            self._at(end / 4, "drain", 0)
        while self._events:
            now, _, kind, what = heapq.heappop(self._events)
            if now > end:
                break
            getattr(self, f"_{kind}")(now, what)
        return self.result

    def _at(self, when: float, kind: str, what: int) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, kind, what))

    def _choose(self, *, limit: bool) -> int | None:
        places = range(self.plan.instances)
        open_ = [n for n in places if self._instances[n].ready]
        if limit:
            open_ = [n for n in open_ if len(self._instances[n].calls) < self.plan.max_calls]
        if not open_:
            return None
        if self.plan.balance == "least":
            return min(open_, key=lambda n: len(self._instances[n].calls))
        self._turn += 1
        return open_[self._turn % len(open_)]

    def _take(self, call: int, place: int) -> None:
        instance = self._instances[place]
        instance.calls.add(call)
        self._where[call] = place
        self.result.busiest = max(self.result.busiest, len(instance.calls))
        self.result.over_limit = max(self.result.over_limit, len(instance.calls) - self.plan.max_calls)
        self.result.peak = max(self.result.peak, len(self._where))

    def _call(self, now: float, _: int) -> None:
        plan = self.plan
        self._at(now + self._random.expovariate(plan.load / plan.talk_s), "call", 0)
        self.result.offered += 1
        place = self._choose(limit=True)
        if place is None:
            self.result.blocked += 1
            return
        call = self.result.offered
        self._take(call, place)
        self._at(now + self._random.expovariate(1 / plan.talk_s), "end", call)

    def _end(self, now: float, call: int) -> None:
        place = self._where.pop(call, None)
        if place is None:
            return
        self._instances[place].calls.discard(call)
        if place == self._draining and not self._instances[place].calls:
            self._at(now + self.plan.restart_s, "up", place)

    def _kill(self, now: float, place: int) -> None:
        instance = self._instances[place]
        instance.ready = False
        lost, instance.calls = instance.calls, set()
        self._at(now + self.plan.restart_s, "up", place)
        for call in lost:  # a call that is under way is taken up, full or not
            successor = self._choose(limit=False)
            if successor is None:
                del self._where[call]
                continue
            self.result.resumed += 1
            self._take(call, successor)

    def _drain(self, now: float, place: int) -> None:
        self._draining = place
        self._instances[place].ready = False
        if not self._instances[place].calls:
            self._at(now + self.plan.restart_s, "up", place)

    def _up(self, now: float, place: int) -> None:
        self._instances[place].ready = True
        if place != self._draining:
            return
        self._draining = None
        self.result.roll_minutes = (now - self.plan.hours * 900) / 60
        if place + 1 < self.plan.instances:
            self._at(now, "drain", place + 1)


def erlang_b(load: float, servers: int) -> float:
    """The share of calls that meets no free line, where callers come at random and do not wait (A. K. Erlang, 1917)."""
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def main(arguments: list[str] | None = None) -> int:
    """Simulate what the options say."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity_sim", description=__doc__)
    for name, value in asdict(Plan()).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parser.add_argument(option, action="store_true")
        elif name == "balance":
            parser.add_argument(option, choices=("least", "turn"), default=value)
        else:
            parser.add_argument(option, type=type(value), default=value)
    plan = Plan(**vars(parser.parse_args(arguments)))
    if plan.kills > plan.instances or min(plan.instances, plan.max_calls, plan.load, plan.talk_s, plan.hours) <= 0:
        parser.error("numbers must be above 0, and no more instances can die than there are")
    result = Simulation(plan).run()
    body = asdict(result) | {"blocked_share": result.blocked / max(1, result.offered)}
    body["erlang_b"] = erlang_b(plan.load, plan.instances * plan.max_calls)
    json.dump(body, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
