"""Puts together what dials: the rules of ``[outbound]``, and the engine of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bridge import settings as config
from bridge.call.plan import Line
from bridge.outbound.campaigning import Campaigning, untold
from bridge.outbound.dialler import Dialler, Rest
from bridge.outbound.engine import MAX_TASKS, Duties, Engine, Runs
from bridge.outbound.numbers import Destinations
from bridge.outbound.outcomes import Outcomes
from bridge.outbound.policy import Policy
from bridge.outbound.rules import Defaults
from bridge.settings.hours import Period
from bridge.store.attempts import Attempts
from bridge.store.budget import Budget
from bridge.store.calls import Calls
from bridge.store.campaigns import CampaignStore, Told
from bridge.store.database import Database
from bridge.store.instances import Instances
from bridge.store.suppression import Suppressions


def policy_of(settings: config.Settings, lines: Mapping[str, Line]) -> Policy:
    """The rules of ``[outbound]``."""
    outbound = settings.outbound
    own = {number for number in lines if number != "*"} | set(outbound.caller_numbers)
    return Policy(
        destinations=Destinations(outbound.allowed_prefixes, frozenset(own)),
        budget=Budget(
            calls_per_second=outbound.calls_per_second,
            max_concurrent=outbound.max_concurrent,
            daily_limit=outbound.daily_limit,
            daily_minutes=outbound.daily_minutes,
        ),
        lines=lines,
        agents=frozenset(settings.agents),
        caller_numbers=outbound.caller_numbers,
        machine_detection=outbound.machine_detection,
        ring_timeout_s=outbound.ring_timeout_s,
        max_duration_s=outbound.max_duration_s,
        first_line=outbound.first_line,
        hands_over=bool(settings.transfers),
        public_url=settings.public_url or "",
    )


def dialler_of(policy: Policy, database: Database, calls: Calls, rest: Rest, *, owner: str) -> Dialler:
    """Whoever dials."""
    return Dialler(
        calls=calls,
        attempts=Attempts(database),
        suppressions=Suppressions(database),
        rest=rest,
        public_url=policy.public_url,
        owner=owner,
    )


def defaults_of(settings: config.Settings) -> Defaults:
    """What campaigns do where their rules do not say."""
    outbound = settings.outbound
    return Defaults(
        hours=outbound.calling_hours,
        parse_hours=Period.parse,
        holidays=outbound.holidays,
        max_attempts=outbound.max_attempts,
        retry_delay_s=outbound.retry_delay_s,
        max_failure_rate=outbound.max_failure_rate,
        failure_window=outbound.failure_window,
    )


def engine_of(
    settings: config.Settings,
    lines: Mapping[str, Line],
    database: Database,
    calls: Calls,
    rest: Rest,
    *,
    owner: str,
    runs: Runs,
    finished: Told = untold,
) -> Engine:
    """The engine of a worker."""
    policy = policy_of(settings, lines)
    dialler = dialler_of(policy, database, calls, rest, owner=owner)
    instances = Instances(database)
    attempts, slots = Attempts(database), asyncio.Semaphore(MAX_TASKS)

    campaigning = Campaigning(
        store=CampaignStore(database),
        calls=calls,
        suppressions=Suppressions(database),
        policy=policy,
        defaults=defaults_of(settings),
        finished=finished,
    )
    return Engine(
        Duties(
            attempts=attempts,
            dialler=dialler,
            outcomes=Outcomes(attempts=attempts, calls=calls, dialler=dialler, slots=slots, campaigns=campaigning),
            budget=policy.budget,
            owner=owner,
            runs=runs,
            workers=Instances(database, kind="worker"),
            campaigns=campaigning,
            slots=slots,
            may_dial=lambda: somebody_takes_calls(instances),
        )
    )


async def somebody_takes_calls(instances: Instances) -> bool:
    """Whether a bridge is there for the people who answer: one that lives and does not drain."""
    return any(each.alive and not each.draining for each in await instances.all())


def lines_of(settings: config.Settings) -> Mapping[str, Line]:
    """Our numbers, as far as placing calls needs to know them."""
    return {line.number: Line(number=line.number, agents=(line.agent, *line.backup_agents)) for line in settings.lines}
