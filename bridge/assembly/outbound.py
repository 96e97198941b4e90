"""Puts together what places calls, for the server and for the worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge import settings as config
from bridge.assembly.engine import defaults_of, policy_of
from bridge.assembly.operations import Operations
from bridge.assembly.worker import OwnWorker
from bridge.call.record import RESULT, CallRecord
from bridge.carriers.twilio.rest import TwilioRest
from bridge.errors import StoreUnavailable
from bridge.outbound.optouts import OptOuts
from bridge.outbound.placing import Placing
from bridge.store.attempts import Attempts
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.suppression import Suppressions
from bridge.web.access import Denied
from bridge.web.api_campaigns import CampaignsApi
from bridge.web.api_outbound import OutboundApi
from bridge.web.desk import Desk
from bridge.web.machines import MACHINE, Machines
from bridge.web.presence import Presence
from bridge.web.problems import problem
from bridge.web.twilio import Hook


class OutboundWing:
    """What of placing calls is in the server: the routes, the machines' callback, the worker beside it."""

    def __init__(
        self,
        settings: config.Settings,
        desk: Desk,
        operations: Operations,
        database: Database,
        calls: Calls,
        rest: TwilioRest,
    ) -> None:
        self._board = board = desk.switchboard
        self._suppressions = Suppressions(database)
        self._opt_outs = OptOuts(self._suppressions)
        self._operations = operations
        self._worker: OwnWorker | None = None
        self._machines = Machines(
            Presence(board, calls, desk.instance),
            calls,
            rest,
            operations.commands,
            desk.instance,
            operations.alive,
            desk.answers,
            operations.control.find,
        )
        operations.control.verbs[MACHINE] = self._machines.obey
        self._lines = desk.lines
        self._policy = policy = policy_of(settings, desk.lines)
        self._defaults = defaults_of(settings)
        self._wanted = asyncio.Event()
        self._stopped = False
        if policy.destinations.allowed:
            self._wanted.set()
        self._placing = Placing(
            policy=policy,
            calls=calls,
            attempts=Attempts(database),
            draining=lambda: board.draining or board.leaving,
        )

        self._campaigns = CampaignsApi(
            policy,
            self._defaults,
            operations.campaigns,
            self._suppressions,
            operations.idempotency,
            self._guard,
        )

    async def prepare(self, settings: config.Settings) -> Callable[[], None]:
        """What changes when the configuration is read again, made ready."""

        def commit() -> None:
            self._policy.become(policy_of(settings, self._lines))
            self._defaults.become(defaults_of(settings))
            if self._policy.destinations.allowed:
                self._wanted.set()
            if self._worker is not None:
                self._worker.renew()

        return commit

    def routes(self) -> list[Route]:
        """They stand before the API's others."""
        placing = OutboundApi(self._placing, self._operations.idempotency, self._guard)
        return [*placing.routes(), *self._campaigns.routes()]

    def hooks(self) -> dict[str, Hook]:
        """What the carrier's callbacks are told to."""
        return {"amd": self._machines.told}

    def saved(self, record: CallRecord) -> None:
        """A record has changed. Who has told us not to call again is not called again, in whatever call they said so."""
        if record.status.terminal and record.person.startswith("+") and (record.turns or record.detail.get(RESULT)):
            self._board.spawn(self._opt_outs.heed(record), name="opt out")

    async def run(self, worker: Sequence[str] | None) -> None:
        """The worker, where this server is to start one, with these arguments: as soon as there is anybody to call."""
        if worker is not None:
            await self._wanted.wait()
            if self._stopped:
                return
            self._worker = OwnWorker(worker)
            await self._worker.run()

    def stop(self) -> None:
        """The server drains: begin nothing more, and tell whoever dials elsewhere, who must not go on until our next sign of
        life would be due.
        """
        self._stopped = True
        self._board.leaving = True
        self._board.spawn(self._tell(), name="beat")
        if self._worker is not None:
            self._worker.stop()

    async def _tell(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # nobody can dial then
            await self._operations.beat()

    async def _guard(self, request: Request) -> str | Response:
        try:
            return self._operations.access.admit(request, "viewer" if request.method == "GET" else "operator").name
        except Denied as error:
            return problem(error.status, error.detail, remedy=error.remedy, headers=error.headers)
