"""Composition root: the only file that picks concrete classes. ``House`` is the running process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from bridge import settings as config
from bridge.assembly.agents import Fleet, rules_of
from bridge.assembly.business import Business
from bridge.assembly.dashboard import DashboardWing
from bridge.assembly.hangups import HangUps
from bridge.assembly.leaving import drain
from bridge.assembly.operations import Operations, Parts
from bridge.assembly.outbound import OutboundWing
from bridge.assembly.prompts import clips, words
from bridge.assembly.recordings import RecordingWing
from bridge.assembly.reloading import Reloading
from bridge.assembly.routing import Routing, limits_of
from bridge.assembly.store import StoreAwaited
from bridge.assembly.summary import summary
from bridge.audio.level import level
from bridge.audio.transcode import Transcoder
from bridge.call import events as e
from bridge.call.handover import transferring
from bridge.call.record import CallRecord
from bridge.carriers.twilio.rest import TwilioRest
from bridge.carriers.twilio.stream import TwilioStream
from bridge.carriers.twilio.webhooks import Signature
from bridge.runtime.factory import SessionFactory
from bridge.runtime.session import CallSession, Surroundings
from bridge.runtime.switchboard import Switchboard
from bridge.store import spool
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.grants import Grants
from bridge.store.instances import Instances
from bridge.store.writer import Writer
from bridge.web.answers import MEDIA_PATH, Answers
from bridge.web.desk import Desk
from bridge.web.grants import GrantOffice
from bridge.web.health import health_routes
from bridge.web.media import MediaDoor, MediaRules
from bridge.web.problems import bridge_problem, http_problem
from bridge.web.reception import Reception
from bridge.web.server import FrontServer, front_protocol, outer_path
from bridge.web.streams import StreamChange
from bridge.web.twilio import TwilioRoutes

FLUSH_S: Final = 5.0  # what the store may take for the last records; then they are left to the next process
HURRIED_S: Final = 0.5  # the same after a second signal

log = structlog.get_logger("bridge.app")


def instance_name() -> str:
    """Of this process: where it runs, and which one it is there."""
    return f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"


class House:
    """Everything that one process has, put together and taken apart in order."""

    def __init__(
        self,
        settings: config.Settings,
        *,
        host: str | None = None,
        port: int | None = None,
        worker: Sequence[str] | None = None,
        demo: bool = False,
    ) -> None:
        twilio = settings.carriers.twilio
        assert settings.public_url is not None, "load with serving=True"
        assert twilio is not None, "callbridge serve and worker refuse such settings"
        self.settings = settings
        self.demo = demo  # nothing here is worth a login: this machine's own browsers need none
        self.instance = instance_name()
        self.host = host or settings.server.host
        self.port = settings.server.port if port is None else port
        self.worker = worker  # the arguments of the worker to start beside it; None: it runs elsewhere, or not at all
        self.ready = False
        self.started = asyncio.Event()
        self.switchboard = Switchboard(limits_of(settings))
        self.reloading = Reloading(settings)
        self.fleet = Fleet(settings, talking=self._talking, spawn=self.switchboard.spawn)
        self.database = Database(settings.database_url)
        self.store = StoreAwaited(self.database, self.stop)
        self.calls = Calls(self.database)
        self.writer = Writer(self.calls, spool_path=spool.place(self.database.place, self.port))
        self.account_sid = twilio.account_sid
        self.signature = Signature(
            tokens=twilio.auth_token, public_url=settings.public_url, media_url=settings.media_url
        )
        self.rest = TwilioRest(
            twilio.account_sid, twilio.auth_token[0], api_base_url=twilio.api_base_url, timeout_s=twilio.timeout_s
        )
        self.hangups = HangUps(self.rest.end, known=self._has_hung_up, spawn=self.switchboard.spawn)
        self.agents = self.fleet.agents
        self.routing = Routing(settings, self.switchboard.spawn)
        self.reception: Reception | None = None
        self.operations: Operations | None = None
        self.watchers: list[Callable[[CallRecord], None]] = []  # told of every change of a record; must not block
        self.business = Business(
            settings,
            switchboard=self.switchboard,
            database=self.database,
            calls=self.calls,
            agents=self.agents,
            rest=self.rest,
            instance=self.instance,
            transfers=self.routing.transfers,
            lines=self.routing.lines,
        )
        self.watchers.append(self.business.watch)
        self.outbound: OutboundWing | None = None
        self.recordings = RecordingWing(settings, self.rest, self.calls, self.switchboard)
        self.watchers.append(self.recordings.saved)
        self.dashboard: DashboardWing | None = None
        # Told when a second signal has ended it, before it is put away.
        self.cut_short: Callable[[], object] = lambda: None
        self._server: FrontServer | None = None
        self._flush_s = FLUSH_S

    # ------------------------------------------------------------ parts

    def _surroundings(self) -> Surroundings:
        """Of the calls that are made from now on; those in progress keep their own."""
        return Surroundings(
            agents=self.recordings.agents(self.agents),
            saved=self._saved,
            closing=self._closing,
            run_tool=self.business.run_tool,
            resume_message=self.settings.prompts.resumed,
            returned_message=self.settings.prompts.not_taken,
        )

    async def _change(self, settings: config.Settings) -> Callable[[], None]:
        """The last part of a new configuration: what calls are made from."""

        def commit() -> None:
            assert settings.carriers.twilio is not None
            self.settings = settings
            self.signature.use(settings.carriers.twilio.auth_token)
            self.rest.use(settings.carriers.twilio.auth_token[0])
            self.switchboard.limits = limits_of(settings)
            self.switchboard.lag.limit_s = self.switchboard.limits.loop_lag_s
            self.factory.surroundings = self._surroundings()
            self.factory.rules = rules_of(settings)
            self.factory.prompts = self._clips | self.recordings.announcements

        return commit

    def _factory(self) -> SessionFactory:
        return SessionFactory(
            surroundings=self._surroundings(),
            rules=rules_of(self.settings),
            convert=Transcoder,
            level=level,
            prompts=self._clips | self.recordings.announcements,
            prepare=self.recordings.prepare,
            prewarm_hold_s=self.settings.limits.prewarm_hold_s,
        )

    def _talking(self) -> set[str]:
        texts = {session.record.call_id for session in self.business.text.texts.sessions}
        return texts | {session.record.call_id for session in self.switchboard.sessions}

    # ------------------------------------------------------------ what sessions ask for

    def _saved(self, record: CallRecord) -> None:
        self.writer.put(record)
        if record.status.terminal and self.reception is not None:
            self.reception.ended(record)
        for watch in self.watchers:
            watch(record)

    def _closing(self, session: CallSession, order: e.ClosePhone) -> None:
        if order.then == "hangup" and session.record.carrier_call_id:
            self.hangups.see(session.record.carrier_call_id, attached=session.record.started_at is not None)
        if transferring(session.record) and self.reception is not None:
            self.reception.transfers.begun(session.record)
            return
        log.info("call_ended", **summary(session.record))

    def _has_hung_up(self, carrier_call_id: str) -> bool:
        return self.reception is not None and self.reception.has_hung_up(carrier_call_id)

    async def _takeover(self, call_id: str, instance: str) -> None:
        if self.operations is not None:
            await self.operations.taken_over(call_id, instance)

    # ------------------------------------------------------------ the process

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Everything that must be there before the first request, and its end after the last."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.fleet.close)
            await self.fleet.open()
            stack.push_async_callback(self.rest.close)
            stack.push_async_callback(self.database.close)
            stack.push_async_callback(self.store.close)
            await self.store.begin()
            stack.push_async_callback(self.business.close)
            stack.push_async_callback(self.routing.close)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            tasks = [group.create_task(self.writer.run(), name="store writer")]
            tasks.append(group.create_task(self.business.run(), name="deliveries"))
            running = asyncio.Event()
            board = group.create_task(self.switchboard.run(running), name="switchboard")
            await running.wait()
            await self.recordings.load()
            self._clips = await clips(self.settings.prompts)
            self.factory = self._factory()
            desk = self._desk()
            self.reception = Reception(desk)
            self.operations = self._operations(desk)
            self.reception.closed = self.operations.saved
            self.business.join(self.operations)
            self.reloading.join(self.operations, self.switchboard.spawn)
            tasks.append(group.create_task(self.operations.run(), name="housekeeping"))
            self.outbound = OutboundWing(self.settings, desk, self.operations, self.database, self.calls, self.rest)
            self.watchers += [self.operations.saved, self.outbound.saved]
            tasks.append(group.create_task(self.outbound.run(self.worker), name="worker"))
            self.recordings.join(self.operations)
            tasks.append(group.create_task(self.recordings.run(), name="recordings"))
            self.dashboard = DashboardWing(
                self.settings, desk, self.calls, self.agents, self.operations, self.recordings, demo=self.demo
            )
            self.watchers.append(self.dashboard.saved)
            tasks.append(group.create_task(self.dashboard.run(), name="dashboard"))
            self.reloading.parts += [self.routing.prepare, self.fleet.prepare, self.business.prepare]
            self.reloading.parts += [self.operations.prepare, self.outbound.prepare, self.dashboard.prepare]
            self.reloading.parts += [self.recordings.prepare_change, self._change]
            self.ready = True
            try:
                yield
            finally:
                self.ready = False
                await self.business.text.close()
                await self.operations.leave()
                board.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await board
                await self.writer.close(self._flush_s)
                for task in tasks:
                    task.cancel()

    def _desk(self) -> Desk:
        assert self.settings.public_url is not None
        return Desk(
            account_sid=self.account_sid,
            instance=self.instance,
            lines=self.routing.lines,
            answers=Answers(self.settings.public_url, self.settings.media_url, words(self.settings.prompts)),
            switchboard=self.switchboard,
            factory=self.factory,
            calls=self.calls,
            grants=GrantOffice(Grants(self.database)),
            saved=self._saved,
            transfers=self.routing.transfers,
            takeover=self._takeover,
            most_transfers=lambda: self.settings.limits.transfers,
            router=self.routing.router,
            first_line=lambda: self.settings.outbound.first_line,
        )

    def _operations(self, desk: Desk) -> Operations:
        streams = StreamChange(desk.account_sid, desk.answers, desk.grants, self.rest.redirect, self._saved)
        self.business.reach.press = streams.press
        return Operations(
            Parts(
                settings=self.settings,
                instance=self.instance,
                switchboard=self.switchboard,
                database=self.database,
                calls=self.calls,
                writer=self.writer,
                rest=self.rest,
                agents=self.agents,
                streams=streams,
                transfers=self.routing.transfers,
                moved=None if self.reception is None else self.reception.transfers,
            )
        )

    def routes(self) -> list[BaseRoute]:
        """The front door."""
        assert self.reception is not None
        assert self.operations is not None
        assert self.outbound is not None
        twilio = TwilioRoutes(self.reception, self.signature, self.account_sid)
        self.operations.webhooks_refused = lambda: twilio.refused
        twilio.hooks["sms"] = self.business.text.texting.received
        twilio.hooks.update(self.outbound.hooks())
        twilio.hooks["recording"] = self.recordings.carrier_update
        placing = self.outbound.routes()
        routes: list[BaseRoute] = [*twilio.routes(), *placing, *self.business.routes()]
        routes += [
            *health_routes(self.switchboard, lambda: self.ready and self.store.there),
            *self.operations.routes(placing),
        ]
        if self.dashboard is not None:
            routes += self.dashboard.routes()
        return routes

    def door(self) -> MediaDoor:
        """The door of the media socket."""
        assert self.reception is not None
        rules = MediaRules(
            verify=self.signature.judge_upgrade,
            require_signature=self.settings.stream_signature == "required",
            open_stream=TwilioStream,
            redeem=self.reception.redeem,
            attach=self.recordings.attach,
            pending=self.settings.limits.pending_sockets,
            pending_per_address=self.settings.limits.pending_sockets_per_address,
        )
        door = MediaDoor(rules, self.switchboard.spawn)
        if self.operations is not None:
            self.operations.media_refused = door.refused
        return door

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Run until a signal has drained it."""
        async with self.open():
            handlers = {HTTPException: http_problem, Exception: bridge_problem}
            app = Starlette(routes=self.routes(), exception_handlers=handlers)
            app.router.redirect_slashes = False  # it would send strangers to whatever Host they named, unsigned
            self._server = FrontServer(self._uvicorn(app), self._drain)
            self._server.on_started = self._on_started
            await self._server.serve(sockets)
            if self._server.force_exit:
                self._flush_s = HURRIED_S
                self.cut_short()
        self.store.settle()

    def stop(self) -> None:
        """What a signal does: the first one drains, the second one ends at once."""
        if self._server is not None:
            self._server.handle_exit(signal.SIGTERM, None)

    def _uvicorn(self, app: Any) -> uvicorn.Config:
        doors = {} if self.dashboard is None else self.dashboard.doors()
        outer = outer_path(self.settings.public_url, app.routes)
        return uvicorn.Config(
            app,
            host=self.host,
            port=self.port,
            http=front_protocol(MEDIA_PATH, self.door().admit, doors, prefix=outer),
            ws="websockets-sansio",
            ws_max_size=64 * 1024,
            ws_per_message_deflate=False,
            ws_ping_interval=10.0,
            ws_ping_timeout=10.0,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=2,
            proxy_headers=False,
        )

    def _on_started(self, server: FrontServer) -> None:
        for listener in server.servers:
            for each in listener.sockets:
                self.port = each.getsockname()[1]
        if gc.isenabled():  # ``callbridge serve`` has it off until now: its start's garbage is not worth a look
            gc.collect()
        # A call leaves no cycles. Looks at what is young are short so, and one at everything, which hundreds of calls
        # would hear, comes once in tens of thousands of calls.
        gc.set_threshold(2_000, 4, 6000)
        gc.freeze()  # what lives as long as the process is not looked at again: no pause of the sound
        gc.enable()
        self.started.set()
        log.info("serving", host=self.host, port=self.port, instance=self.instance)

    async def _drain(self) -> None:
        if self.outbound is not None:
            self.outbound.stop()
        self.switchboard.leaving = True
        await asyncio.sleep(self.settings.drain_grace_s)
        await drain(self.switchboard, self.reception, Instances(self.database), self.settings, instance=self.instance)
        await self.hangups.finish()
