"""Pages about calls: those in progress, the history, one of them, and what can be done with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import CarrierFailure, StoreUnavailable
from bridge.web.access import Visitor
from bridge.web.control import HANGUP, HOLD, RESUME, TRANSFER, CallControl, NoSuchCall, NotNow
from bridge.web.dashboard.doorway import read_form
from bridge.web.dashboard.guard import Endpoint, Guard
from bridge.web.dashboard.live import brief, held, recorded
from bridge.web.dashboard.records import COLUMNS, MAX_EXPORTED, Filter, Records, csv_lines
from bridge.web.problems import problem
from bridge.web.recordings import PAUSE, RecordingsApi
from bridge.web.recordings import RESUME as RESUME_RECORDING

ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

ORDERS: Final = {  # the last part of a path -> what the call is told
    "hangup": HANGUP,
    "hold": HOLD,
    "resume": RESUME,
    "pause-recording": PAUSE,
    "resume-recording": RESUME_RECORDING,
}

log = structlog.get_logger("bridge.dashboard")


@dataclass(frozen=True, slots=True)
class CallParts:
    """What the pages are made from."""

    guard: Guard
    records: Records
    control: CallControl
    transfers: Collection[str]
    agents: Callable[[], list[str]]
    recordings: RecordingsApi


class CallPages:
    """The routes."""

    def __init__(self, parts: CallParts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        """All of them."""
        wants = self._parts.guard.wants
        return [
            Route("/", wants("viewer")(kept(self._live))),
            Route("/calls", wants("viewer")(kept(self._history))),
            Route("/calls.csv", wants("viewer")(kept(self._export))),
            Route("/calls/{id}", wants("viewer")(kept(self._call))),
            Route("/calls/{id}/recording", wants("viewer", page=False)(kept(self._recording))),
            Route("/calls/{id}/waveform.json", wants("viewer", page=False)(kept(self._waveform))),
            Route("/calls/{id}/transfer", wants("operator", page=False)(kept(self._transfer)), methods=["POST"]),
            *(
                Route(
                    f"/calls/{{id}}/{name}", wants("operator", page=False)(kept(self._ordering(verb))), methods=["POST"]
                )
                for name, verb in ORDERS.items()
            ),
        ]

    async def _live(self, request: Request, visitor: Visitor) -> Response:
        calls = [brief(record) for record in await self._parts.records.in_progress()]
        return self._page(request, "live.html", visitor, calls=calls, transfers=sorted(self._parts.transfers))

    async def _history(self, request: Request, visitor: Visitor) -> Response:
        wanted = Filter(request.query_params)
        try:
            records, cursor = await self._parts.records.page(wanted)
        except ValueError:
            return problem(422, "The page that was asked for is none of ours.", remedy="Begin at /calls.")
        asked = {name: value for name, value in wanted.text.items() if value}
        return self._page(
            request,
            "history.html",
            visitor,
            records=records,
            wanted=wanted,
            export="/calls.csv?" + urlencode(asked),
            more=None if cursor is None else "/calls?" + urlencode(asked | {"cursor": cursor}),
            statuses=list(Status),
            directions=list(Direction),
            agents=self._parts.agents(),
        )

    async def _export(self, request: Request, visitor: Visitor) -> Response:
        wanted = Filter(request.query_params)
        found = self._parts.records.all(wanted.store_arguments(), limit=MAX_EXPORTED)
        records = [record async for record in found if wanted.matches(record)]
        log.info("calls_exported", actor=visitor.name, calls=len(records))
        text = ",".join(COLUMNS) + "\r\n" + csv_lines(records)
        headers = {"content-disposition": 'attachment; filename="calls.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    async def _call(self, request: Request, visitor: Visitor) -> Response:
        record = await self._found(request)
        if record is None:
            return self._page(request, "missing.html", visitor, status=404)
        if "json" in request.headers.get("accept", ""):
            return JSONResponse(record.public())
        chain = next((event for event in reversed(record.events) if event.get("type") == "agent_ready"), None)
        return self._page(
            request,
            "call.html",
            visitor,
            record=record,
            body=record.public(),
            chain=chain,
            held=held(record),
            recorded=recorded(record),
            transfers=sorted(self._parts.transfers),
            sound=self._parts.recordings.has(record),
        )

    async def _recording(self, request: Request, visitor: Visitor) -> Response:
        record = await self._found(request)
        found = None if record is None else self._parts.recordings.sound(record, visitor)
        return found or problem(404, "There is no recording of this call here.")

    async def _waveform(self, request: Request, visitor: Visitor) -> Response:
        record = await self._found(request)
        found = None if record is None else await self._parts.recordings.waveform(record)
        return found or problem(404, "There is no recording of this call here.")

    def _ordering(self, verb: str) -> Endpoint:
        async def endpoint(request: Request, visitor: Visitor) -> Response:
            return await self._order(request, visitor, verb, {})

        return endpoint

    async def _transfer(self, request: Request, visitor: Visitor) -> Response:
        to = (await read_form(request) or {}).get("to", "")
        if to not in self._parts.transfers:
            return problem(422, "There is no transfer of this name.", remedy="Use a name of [transfers].")
        return await self._order(request, visitor, TRANSFER, {"to": to})

    async def _order(self, request: Request, visitor: Visitor, verb: str, args: dict[str, Any]) -> Response:
        any_id = str(request.path_params["id"])
        try:
            if not ID.fullmatch(any_id):
                raise NoSuchCall
            record = await self._parts.control.order(any_id, verb, args)
        except NoSuchCall:
            return problem(404, "There is no such call.")
        except NotNow as error:
            return problem(409, str(error), remedy="Look at the call's status.")
        except CarrierFailure as error:
            return problem(502, str(error), remedy=error.hint)
        log.info(
            "operator_action", actor=visitor.name, method="POST", route=f"dashboard {verb}", call_id=record.call_id
        )
        return RedirectResponse(f"/calls/{record.call_id}", 303)

    async def _found(self, request: Request) -> CallRecord | None:
        any_id = str(request.path_params["id"])
        return await self._parts.control.find(any_id) if ID.fullmatch(any_id) else None

    def _page(self, request: Request, template: str, visitor: Visitor, *, status: int = 200, **facts: Any) -> Response:
        return self._parts.guard.page(request, template, visitor, status=status, **facts)


def kept(endpoint: Endpoint) -> Endpoint:
    """A page that needs the store says so where the store is away."""

    async def page(request: Request, visitor: Visitor) -> Response:
        try:
            return await endpoint(request, visitor)
        except StoreUnavailable as error:
            return problem(503, "The store is away.", remedy=error.hint, headers={"Retry-After": "2"})

    return page
