"""The carrier's questions about calls, answered: a new call, its stream's grant, what follows, how it stands."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bridge.call import events as e
from bridge.call.handover import losses, transferring
from bridge.call.plan import Line
from bridge.call.record import CallRecord, Direction, Status
from bridge.call.routing import TurnedAway
from bridge.carriers.twilio.webhooks import AfterRequest, StatusUpdate, VoiceRequest, twiml
from bridge.errors import Reason, StoreUnavailable
from bridge.runtime.session import CallSession
from bridge.web.desk import Desk
from bridge.web.once import LIFE_S, Memory, Once
from bridge.web.patience import Patience
from bridge.web.presence import Presence
from bridge.web.standing import Word
from bridge.web.transfers import Transfers, summary

STORE_S: Final = 0.7  # a caller is waiting: without the store the call goes on from memory
MAX_RESUMES: Final = 3  # after a loss
MAX_ENDED: Final = 1000  # records: as many as may wait for a store that is away
SETTLING_S: Final = 0.6  # another instance has closed the stream and may be about to write that the call is over
STATUS_SETTLING_S: Final = 3.0  # nobody waits for the answer to a status callback
LOOK_S: Final = 0.05
PATIENCE_S: Final = 15.0  # a new stream was promised: the agent is kept this long

log = structlog.get_logger("bridge.reception")


class Reception:
    """One for each process. Every answer is given once and repeated to whoever asks the same again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._once = Once()
        self._ended: Memory[CallRecord] = Memory(MAX_ENDED)
        self._hung_up: Memory[bool] = Memory(life_s=2 * LIFE_S)  # longer than a call that is over: see ``unasked``
        self._patience = Patience()
        self._presence = Presence(desk.switchboard, desk.calls, desk.instance)
        self.closed: Callable[[CallRecord], None] = lambda record: None  # a call that nobody had, by the carrier's word
        self.transfers = Transfers(desk.transfers, desk.answers, desk.saved, desk.most_transfers)

    def ended(self, record: CallRecord) -> None:
        """A call of ours is over: the carrier may ask what follows before the store has been told."""
        if record.carrier_call_id:
            self._ended.keep(record.carrier_call_id, record)

    def has_hung_up(self, carrier_call_id: str) -> bool:
        """The carrier knows that this call is over: it was told so, or told us."""
        return carrier_call_id in self._hung_up

    @property
    def unasked(self) -> bool:
        """The carrier has still to ask what follows a call that is over. (Where it never does, it has lost track.)"""
        return self.transfers.unasked or any(call_sid not in self._hung_up for call_sid in self._ended)

    # ------------------------------------------------------------ a new call

    async def voice(self, request: VoiceRequest, call_id: str = "") -> str:
        """TwiML for a call that comes in, or for one of ours that was answered; ``call_id`` is what we dialled it as."""
        return await self._once.answer(request.call_sid, lambda: self._voice(request, call_id))

    async def _voice(self, request: VoiceRequest, call_id: str) -> str:
        desk = self._desk
        if request.over:
            return str(twiml.hangup())
        line = desk.line(request.line)
        if line is None:
            log.warning("no_line", carrier_call_id=request.call_sid)
            return str(twiml.reject())
        record = await self._placed(request, line, call_id) or self._record(request, line)
        if record.status.terminal:
            return str(twiml.hangup())  # given up while it rang
        refusal = desk.switchboard.refusal(request.person, placed=record.direction is Direction.OUTBOUND)
        if refusal is not None:
            return await self._refuse(record, desk.router.crowded(line), refusal)
        with desk.switchboard.coming(request.person):
            return await self._admit(record, line, request)

    async def _admit(self, record: CallRecord, line: Line, request: VoiceRequest) -> str:
        desk = self._desk
        decision = await desk.router.route(record, line, attestation=request.attestation)
        if isinstance(decision, TurnedAway):
            return self._turn_away(record, line, decision)
        decision.tell(record)
        token = desk.grants.token()
        text = str(desk.answers.stream(token, 1, first=str(record.detail.get("first_line", ""))))
        away = False
        try:
            grant = desk.grants.prepared(token, account_id=desk.account_sid)
            offered = await self._patience.wait(desk.calls.offer(record, text, grant), STORE_S)
            if not offered.won and offered.twiml is not None:
                return offered.twiml
            record = offered.record if offered.won else record
        except StoreUnavailable:
            away = True
            log.warning("offered_from_memory", call_id=record.call_id)
        session = self._session(record, line, prewarm=desk.switchboard.may_prewarm)
        session.facts["line"] = line
        session.facts["counter"] = 1
        desk.switchboard.take(session)
        whose = {"call_id": record.call_id, "carrier_call_id": request.call_sid, "account_id": desk.account_sid}
        desk.grants.remember(token, **whose, stored=not away)
        return text

    def _session(self, record: CallRecord, line: Line, **more: Any) -> CallSession:
        """With what the dialler asked for, where we placed the call."""
        limit = record.detail.get("max_duration_s")
        return self._desk.factory.make(
            record,
            line if limit is None else replace(line, max_duration_s=min(line.max_duration_s, float(limit))),
            agent=record.agent,
            variables=record.detail.get("variables"),
            overrides=record.detail.get("overrides"),
            **more,
        )

    async def _placed(self, request: VoiceRequest, line: Line, call_id: str) -> CallRecord | None:
        """The record of a call that we placed, which was answered; None for any other."""
        if not call_id or request.direction is not Direction.OUTBOUND:
            return None
        try:
            record = await self._patience.wait(self._desk.calls.get(call_id), STORE_S)
        except StoreUnavailable:  # the address is signed; what the dialler asked for is merged when the store is back
            record = self._record(request, line, call_id)
            record.detail["first_line"] = self._desk.first_line()
            return record
        if record is None or (record.from_number, record.to_number) != (request.caller, request.called):
            return None
        if record.carrier_call_id not in (None, request.call_sid):
            log.error("placed_twice", call_id=call_id)
            return None
        record.carrier_call_id = request.call_sid
        record.instance = self._desk.instance
        record.advance(Status.RINGING)
        return record

    def _record(self, request: VoiceRequest, line: Line, call_id: str = "") -> CallRecord:
        return CallRecord(
            call_id=call_id or "call_" + secrets.token_hex(12),
            carrier_call_id=request.call_sid,
            direction=request.direction,
            from_number=request.caller,
            to_number=request.called,
            line=line.number if line.number != "*" else request.line,
            agent=line.agents[0],
            created_at=datetime.now(UTC),
            status=Status.RINGING,
            instance=self._desk.instance,
        )

    async def _refuse(self, record: CallRecord, line: Line, reason: Reason) -> str:
        text = str(self._desk.answers.refusal(line, record, draining=reason is Reason.DRAINING))
        record.detail["then"] = "hangup"
        record.finish(reason, datetime.now(UTC), status=Status.FAILED)
        self._desk.saved(record)
        log.warning("call_refused", call_id=record.call_id, reason=reason)
        return text

    def _turn_away(self, record: CallRecord, line: Line, decision: TurnedAway) -> str:
        """The line's rules say no: before the agent is asked for anything."""
        record.detail["then"] = "hangup"
        closed = decision.reason is Reason.OUTSIDE_HOURS
        record.finish(decision.reason, datetime.now(UTC), status=Status.COMPLETED if closed else Status.FAILED)
        self._desk.saved(record)
        log.info("call_turned_away", call_id=record.call_id, reason=decision.reason)
        if not decision.say and decision.dial is None:
            return str(twiml.reject())
        instead = replace(line, fallback_say=decision.say, fallback_dial=decision.dial)
        return str(self._desk.answers.fallback(instead, record, counter=1))

    # ------------------------------------------------------------ its stream

    async def redeem(self, opened: e.PhoneOpened) -> CallSession | None:
        """The call that a stream's grant admits to, here; taken over where another instance answered its webhook."""
        desk = self._desk
        if opened.account_id != desk.account_sid:
            return None
        token = opened.parameters.get("grant", "")
        call_id = await desk.grants.redeem(token, carrier_call_id=opened.carrier_call_id, account_id=opened.account_id)
        ours = desk.grants.minted(token)
        session = None if call_id is None else await self._presence.find(call_id, ours=ours)
        if call_id is None or session is not None:
            return session
        try:
            record = await self._patience.wait(desk.calls.get(call_id), STORE_S)
        except StoreUnavailable:
            return None
        if record is None or record.status.terminal:
            return None
        return await self._take_over(record)

    async def _take_over(self, record: CallRecord) -> CallSession | None:
        desk = self._desk
        line = desk.line(record.line)
        if line is None or record.carrier_call_id in self._ended:  # the store may not know yet that it has ended
            return None
        former, record.instance = record.instance, desk.instance
        session = self._session(record, line, resumed=record.started_at is not None)
        session.facts |= {"line": line, "counter": record.detail.get("counter", 1), "former": former}
        desk.switchboard.take(session)
        await session.started.wait()  # only then may its stream come
        if former != desk.instance:
            await desk.takeover(record.call_id, former)
        return session

    # ------------------------------------------------------------ what follows

    async def after(self, request: AfterRequest, counter: int, *, dialled: bool) -> str:
        """The stream (or a dialled person) is over: what now? Asked again with the same counter, the same answer."""
        return await self._once.answer(
            f"{request.call_sid}/{counter}", lambda: self._after(request, counter, dialled=dialled)
        )

    async def _after(self, request: AfterRequest, counter: int, *, dialled: bool) -> str:
        session = await self._presence.find(request.call_sid)
        if request.over:
            self._hung_up.keep(request.call_sid, True)
            if session is not None:
                session.handle(e.CarrierEnded(Reason.CALLER_HANGUP, request.status or Status.COMPLETED))
        elif session is not None and not dialled:
            return await self._replace_stream(session, counter)
        record = self._ended.get(request.call_sid) or await self._handed_over(request.call_sid)
        if request.over and record is None:
            if session is None:
                self._desk.switchboard.spawn(self._told_over(request), name="told over")
            return str(twiml.hangup())
        try:
            record = record or await self._settled(request.call_sid)
        except StoreUnavailable:
            log.warning("store_away", doing="after")
        if record is None:
            log.warning("after_unknown_call", carrier_call_id=request.call_sid)
            return str(self._desk.answers.fallback(self._desk.line(request.line), request, counter=counter + 1))
        if transferring(record):
            if request.over or dialled:
                if self.transfers.over(record, request):
                    return self._hang_up(record)
            elif (text := self.transfers.dial(record, counter + 1)) is not None:
                return text
        if request.over or (dialled and record.status.terminal):
            ended = self._hang_up(record)
            return str(self._desk.answers.nobody()) if request.unreached else ended
        if record.status.terminal:
            return self._follow(record, counter)
        if losses(record) >= MAX_RESUMES:
            return self._out_of_resumes(record, counter)
        taken = await self._take_over(record)
        if taken is None:
            return str(self._desk.answers.fallback(None, record, counter=counter + 1))
        log.warning("call_resumed", call_id=record.call_id, resumes=record.resumes + 1)
        return await self._promise(taken, counter)

    async def _handed_over(self, call_sid: str) -> CallRecord | None:
        """A call that is with a person, or about to be, where it was handed over from here and nobody else has gone on with it."""
        known = self.transfers.find(call_sid)
        if known is None or await self._presence.stands(known):
            return known
        self.transfers.forget(known)
        return None

    async def _settled(self, call_sid: str, patience_s: float = SETTLING_S) -> CallRecord | None:
        """The record of a call that is not ours. The carrier asks us as soon as another instance has closed the stream, and
        that may be before the store has been told of the end: to resume then would call back a call that is over.
        """
        until = asyncio.get_running_loop().time() + patience_s
        while True:
            record = await self._patience.wait(self._desk.calls.get(call_sid), STORE_S)
            if record is None or record.status.terminal or record.instance == self._desk.instance:
                return record
            if asyncio.get_running_loop().time() > until:
                return record
            await asyncio.sleep(LOOK_S)

    async def _replace_stream(self, session: CallSession, counter: int) -> str:
        record = session.record
        session.detach_phone()
        if losses(record) >= MAX_RESUMES:
            session.handle(e.EndRequested(Reason.CARRIER_LOST))
            return self._out_of_resumes(record, counter)
        session.awaited = None
        session.handle(e.StreamPromised(PATIENCE_S))
        return await self._promise(session, counter)

    async def _promise(self, session: CallSession, counter: int) -> str:
        record = session.record
        record.resumes += 1
        session.facts["counter"] = record.detail["counter"] = counter + 1
        token = self._desk.grants.token()
        text = str(self._desk.answers.stream(token, counter + 1))
        away = False
        try:
            asked = self._desk.calls.after(record.call_id, counter=counter, twiml=text)
            text = await self._patience.wait(asked, STORE_S)
        except StoreUnavailable:
            away = True
            log.warning("resumed_from_memory", call_id=record.call_id)
        await self._desk.grants.mint(
            token,
            call_id=record.call_id,
            carrier_call_id=record.carrier_call_id or "",
            account_id=self._desk.account_sid,
            store=not away,
        )
        self._desk.saved(record)
        return text

    def _out_of_resumes(self, record: CallRecord, counter: int) -> str:
        log.warning("too_many_resumes", call_id=record.call_id)
        # The fallback has the line now: nobody is to hang it up for the sake of the stream.
        self._hung_up.keep(record.carrier_call_id or "", True)
        if not record.status.terminal:
            record.finish(Reason.CARRIER_LOST, datetime.now(UTC))
            self._desk.saved(record)
        return str(self._desk.answers.fallback(self._desk.line(record.line), record, counter=counter + 1))

    def _follow(self, record: CallRecord, counter: int) -> str:
        then = record.detail.get("then", "hangup")
        self._hung_up.keep(record.carrier_call_id or "", True)
        if then == "fallback":
            return str(self._desk.answers.fallback(self._desk.line(record.line), record, counter=counter + 1))
        # A message: an answering machine has the line, and its beep was heard.
        words = str(record.detail.get("voicemail_message", "")) if then == "message" else ""
        return str(self._desk.answers.voicemail(words))

    def _hang_up(self, record: CallRecord) -> str:
        self._hung_up.keep(record.carrier_call_id or "", True)
        return str(twiml.hangup())

    async def whisper(self, call_id: str) -> str:
        """What the person who takes a warm transfer hears first."""
        record = None
        try:
            record = await self._desk.calls.get(call_id)
        except StoreUnavailable:
            log.warning("store_away", doing="whisper")
        known = None if record is None else self.transfers.find(record.carrier_call_id or "") or record
        return str(self._desk.answers.say("" if known is None else summary(known)))

    # ------------------------------------------------------------ how it stands

    async def status(self, update: StatusUpdate, call_id: str = "") -> None:
        """A status callback: forward only, in any order and number. ``call_id``: what we dialled the call as."""
        end = update.end
        if end is not None:
            self._hung_up.keep(update.call_sid, True)
        session = await self._presence.find(update.call_sid, ours=end is None)
        if session is not None:
            if end is not None:
                session.handle(e.CarrierEnded(end.reason, end.status))
            return
        if update.call_sid in self._ended:
            return
        moved = await self._handed_over(update.call_sid)
        if moved is not None:
            if end is not None:
                await self.transfers.told_over(moved)
            return
        if end is not None and end.status is Status.COMPLETED:  # else nobody answered, or has it
            await self._settled(update.call_sid, STATUS_SETTLING_S)
        word = Word(update, datetime.now(UTC))
        record = await self._desk.calls.change(call_id or update.call_sid, word.move)
        if record is not None and word.closed:
            self.closed(record)

    async def _told_over(self, request: AfterRequest) -> None:
        """The end of a call that nobody here has: where no status callback is asked for, it is told with this question only."""
        end = StatusUpdate(call_sid=request.call_sid, call_status=request.call_status, direction=request.direction)
        try:
            await self.status(end)
        except StoreUnavailable:
            log.warning("store_away", doing="after")
