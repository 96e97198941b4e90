"""What operators have of a process: the API, its keys, metrics, commands from other instances, housekeeping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bridge import settings as config
from bridge.agents.xuna.api import XunaAgent
from bridge.call.ports import Agent
from bridge.call.record import CallRecord
from bridge.carriers.twilio.rest import TwilioRest
from bridge.errors import StoreUnavailable
from bridge.runtime.absentees import ASK_S, Absentees
from bridge.runtime.chores import Chore, Chores
from bridge.runtime.reconciler import Reconciler, ReconcilerParts
from bridge.runtime.switchboard import Switchboard
from bridge.runtime.tracing import Tracing
from bridge.store.agent_time import AgentTime
from bridge.store.calls import Calls
from bridge.store.campaigns import CampaignStore
from bridge.store.commands import Command, Commands
from bridge.store.database import Database
from bridge.store.grants import Grants
from bridge.store.idempotency import Idempotency
from bridge.store.instances import Instances
from bridge.store.logouts import Logouts
from bridge.store.writer import Writer
from bridge.web.access import Access, Key
from bridge.web.api.calls import CallsApi, CallsParts
from bridge.web.api.endpoint import Api, Asked, Endpoint, answer
from bridge.web.control import SUPERSEDED, CallControl, Ways
from bridge.web.credentials import CredentialLimits, CredentialsApi, Minter
from bridge.web.jwt import Issuer, TokenJudge
from bridge.web.metrics import Metrics, Sources, metrics_route
from bridge.web.openapi import document
from bridge.web.proxies import Proxies
from bridge.web.questions import Questions
from bridge.web.streams import StreamChange
from bridge.web.transfers import Transfers

BEAT_S: Final = 4.0
POLL_S: Final = 0.5
RECONCILE_S: Final = 15.0
PURGE_S: Final = 60.0
RETENTION_S: Final = 3600.0
LEAVE_S: Final = 1.0

log = structlog.get_logger("bridge.operations")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the process has already."""

    settings: config.Settings
    instance: str
    switchboard: Switchboard
    database: Database
    calls: Calls
    writer: Writer
    rest: TwilioRest
    agents: Mapping[str, Agent]
    streams: StreamChange
    transfers: Mapping[str, object]  # by name; changes in place
    moved: Transfers | None = None  # the calls that are with a person


class Operations:
    """``routes`` for the front door, ``run`` as a task, ``leave`` at the end.

    For others to add to: ``api.add(Endpoint...)``, ``control.verbs``, ``chores.add(Chore...)``, ``forgetters`` (what is kept
    of a call beside its record: removed with it), ``access.recognised_by``,
    ``questions.kinds`` (what other instances may ask).
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        settings = self._settings = parts.settings
        if settings.max_calls_total:
            parts.switchboard.share = 0  # until the first sign of life has claimed some
        self.access = Access(
            keys_of(settings),
            Proxies(settings.server.trusted_proxies),
        )
        self.commands = Commands(parts.database)
        self.instances = Instances(parts.database)
        self.idempotency = Idempotency(parts.database)
        self.agent_time = AgentTime(parts.database)
        self.logouts = Logouts(parts.database)
        self.campaigns = CampaignStore(parts.database)
        self.forgetters: list[Callable[[CallRecord], Awaitable[None]]] = []
        self.media_refused: Mapping[str, int] = {}
        self.webhooks_refused: Callable[[], int] = lambda: 0
        self.control = CallControl(
            Ways(
                instance=parts.instance,
                switchboard=parts.switchboard,
                records=parts.calls,
                waiting=parts.writer,
                mailbox=self.commands,
                carrier=parts.rest,
                alive=self.alive,
                streams=parts.streams,
                moved=parts.moved,
            )
        )
        self.metrics = Metrics(
            Sources(
                switchboard=parts.switchboard,
                store_waiting=lambda: parts.writer.waiting,
                store_lost=lambda: parts.writer.lost_records,
                media_refused=lambda: self.media_refused,
                webhooks_refused=self._webhooks_refused,
                api_refused=lambda: self.access.refused,
            ),
            frozenset(settings.agents),
        )
        self.tracing = tracing_of(settings.tracing, parts.instance)
        self.api = self._api()
        self.chores = self._chores()
        self.questions = Questions(parts.instance, self.commands, look=self.take_commands, alive=self.alive)
        self._others = False  # more instances are alive than this one

    async def prepare(self, settings: config.Settings) -> Callable[[], None]:
        """What changes when the configuration is read again, made ready."""

        def commit() -> None:
            self._settings = settings
            self.access.use(keys_of(settings))
            self.metrics.agents = frozenset(settings.agents)

        return commit

    # ------------------------------------------------------------ the front door

    def routes(self, beside: Sequence[Route] = ()) -> list[BaseRoute]:
        """Of the API and of metrics. ``beside``: the API's routes that stand before these."""
        routes: list[BaseRoute] = list(self.api.routes(beside))
        if self._parts.settings.metrics.enabled:
            routes.append(metrics_route(self.metrics, self.access))
        return routes

    def _webhooks_refused(self) -> int:
        return self.webhooks_refused()

    def _api(self) -> Api:
        parts, settings = self._parts, self._parts.settings
        api = Api(self.access, self.idempotency)
        calls = CallsApi(
            CallsParts(
                control=self.control,
                store=parts.calls,
                live=lambda: [session.record for session in parts.switchboard.sessions],
                flush=parts.writer.flush,
                transfers=parts.transfers,
                forget=self.forget,
                forget_conversation=self._forget_conversation,
            )
        )
        limits = CredentialLimits(
            per_minute=settings.api.credentials_per_minute,
            public_per_hour=settings.api.public_credentials_per_hour,
            public_max_duration_s=settings.api.public_max_duration_s,
        )
        jwt = settings.api.jwt
        judge = None
        if jwt is not None:
            judge = TokenJudge(Issuer(jwt.issuer, jwt.audience, jwt.jwks_url, jwt.algorithms, jwt.user_claim))
        credentials = CredentialsApi(self.access, self._minters, limits, judge)

        async def openapi(asked: Asked) -> Response:
            return answer(200, document(settings.public_url or ""))

        api.add(*calls.endpoints(), *credentials.endpoints(), Endpoint("GET", "/openapi.json", openapi))
        return api

    def _minters(self) -> dict[str, Minter]:
        minters = {}
        for name, agent in self._parts.agents.items():
            kept = self._settings.agents[name]
            if isinstance(agent, XunaAgent):
                public = isinstance(kept, config.XunaAgent) and kept.authentication == "public"
                minters[name] = Minter(agent, agent.agent_id if public else "")
        return minters

    async def _forget_conversation(self, record: CallRecord) -> None:
        agent = self._parts.agents.get(record.agent)
        if isinstance(agent, XunaAgent) and record.agent_conversation_id:
            await agent.conversations.delete(record.agent_conversation_id)

    async def forget(self, record: CallRecord) -> None:
        """Remove what is kept of a call beside its record. One that cannot is told, and the others still do."""
        for each in self.forgetters:
            try:
                await each(record)
            except Exception:
                log.exception("not_forgotten", call_id=record.call_id)

    # ------------------------------------------------------------ what sessions and other instances say

    def saved(self, record: CallRecord) -> None:
        """A record has changed."""
        if record.status.terminal:
            self.metrics.ended(record)
            if self.tracing is not None:
                self.tracing.ended(record)

    async def taken_over(self, call_id: str, former: str) -> None:
        """We have a call that another instance had: tell it, and do what it was asked and did not do. Never raises; an instance
        that is gone need not be told.
        """
        log.info("call_taken_over", call_id=call_id, from_instance=former)
        try:
            async with asyncio.timeout(LEAVE_S):
                await self.commands.readdress(call_id, former=former, instance=self._parts.instance)
                await self.commands.put(Command(call_id, SUPERSEDED, {}), instance=former)
        except (StoreUnavailable, TimeoutError):
            log.warning("former_instance_not_told", call_id=call_id)

    async def alive(self, instance: str) -> bool:
        """Whether an instance gives a sign of life. Raises StoreUnavailable."""
        return any(each.id == instance and each.alive for each in await self.instances.all())

    # ------------------------------------------------------------ housekeeping

    def _chores(self) -> Chores:
        parts = self._parts
        reconciler = Reconciler(
            ReconcilerParts(
                instance=parts.instance,
                records=parts.calls,
                processes=self.instances,
                carrier=parts.rest,
                held=lambda call_id: (
                    parts.switchboard.find(call_id) is not None or parts.writer.find(call_id) is not None
                ),
                closed=self.saved,
            )
        )
        absentees = Absentees(lambda: parts.switchboard.sessions, parts.rest)
        chores = Chores()
        chores.add(
            Chore("heartbeat", BEAT_S, self.beat),
            Chore("agent time", BEAT_S, self.count_agent_time),
            Chore("commands", POLL_S, self._poll),
            Chore("orphans", RECONCILE_S, self.obey_for_the_dead),
            Chore("reconcile", RECONCILE_S, reconciler.run_once, limit_s=120.0),
            Chore("absentees", ASK_S, absentees.look),
            Chore("purge", PURGE_S, self._purge),
        )
        if parts.settings.retention_days:
            chores.add(Chore("retention", RETENTION_S, self.expire, limit_s=600.0))
        return chores

    async def run(self) -> None:
        """Housekeeping, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.chores.run(), name="chores")
            if self.tracing is not None:
                group.create_task(self.tracing.run(), name="tracing")

    async def leave(self) -> None:
        """The last thing: others need not wait for us. With calls left, they had better find us dead."""
        if self._parts.switchboard.active:
            return
        try:
            async with asyncio.timeout(LEAVE_S):
                await self.instances.leave(self._parts.instance)
        except (StoreUnavailable, TimeoutError):
            log.info("left_unsaid")

    async def beat(self) -> None:
        """A sign of life; who else gives one; and what was asked of us meanwhile."""
        board = self._parts.switchboard
        instance, total = self._parts.instance, self._parts.settings.max_calls_total
        draining = board.draining or board.leaving
        if total:
            board.share = await self.instances.share(
                instance, active_calls=board.active, total=total, capacity=board.offered, draining=draining
            )
        else:
            await self.instances.beat(instance, active_calls=board.active, capacity=board.offered, draining=draining)
        board.promised = (await self.instances.room()).promised_each
        self._others = sum(each.alive for each in await self.instances.all()) > 1
        await self.take_commands()

    async def count_agent_time(self) -> None:
        """Where a day's minutes are limited: tell the others ours, and learn theirs."""
        board = self._parts.switchboard
        here = board.meter.here(today := datetime.now(UTC).date())
        if board.limits.agent_minutes_per_day:
            board.meter.elsewhere_s = await self.agent_time.report(self._parts.instance, today, here)

    async def _poll(self) -> None:
        if self._others:
            await self.take_commands()

    async def take_commands(self) -> None:
        """Do what other instances ask of us. Raises StoreUnavailable."""
        for command in await self.commands.take(self._parts.instance):
            obey = self.questions.obey if self.questions.concerns(command) else self.control.obey
            self._parts.switchboard.spawn(obey(command), name=f"command {command.verb[:20]}")

    async def obey_for_the_dead(self) -> None:
        """A call whose process died while the carrier had it (on hold, say) is hung up all the same. Raises StoreUnavailable."""
        for gone in await self.instances.dead():
            for command in await self.commands.take(gone):
                if not self.questions.concerns(command):
                    self._parts.switchboard.spawn(self.control.obey(command), name=f"command {command.verb[:20]}")

    async def _purge(self) -> None:
        now = datetime.now(UTC)
        await Grants(self._parts.database).purge(now)
        await self.idempotency.purge(now)
        await self.agent_time.purge(now.date())
        await self.logouts.purge(now.timestamp())

    async def expire(self, now: datetime | None = None) -> None:
        """Remove what is older than ``retention_days``."""
        before = (now or datetime.now(UTC)) - timedelta(days=self._parts.settings.retention_days)
        while removed := await self._parts.calls.expire(before):
            for record in removed:
                await self.forget(record)
            log.info("records_expired", records=len(removed))
        while (campaign_id := await self.campaigns.expire(before)) is not None:
            log.info("campaign_expired", campaign_id=campaign_id)


def tracing_of(wanted: config.Tracing, instance: str) -> Tracing | None:
    """As configured; None where there is no collector, or nothing to speak to it with."""
    if wanted.url is None or not config.can_trace():
        return None
    headers = {name: value.reveal() for name, value in wanted.headers.items()}
    return Tracing(wanted.url, instance=instance, headers=headers, share=wanted.share)


def keys_of(settings: config.Settings) -> list[Key]:
    """Of the operator API and the dashboard."""
    return [Key(key.key, key.role, key.name or "") for key in settings.api.keys]
