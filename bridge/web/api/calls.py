"""``/api/v1/calls``: the calls, and what can be done with one."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.responses import Response

from bridge.call.record import CallRecord
from bridge.store.calls import Calls
from bridge.web.api.endpoint import Asked, Endpoint, Refused, answer
from bridge.web.api.query import ListQuery, flag
from bridge.web.control import DIGITS, HANGUP, HOLD, RESUME, TRANSFER, CallControl, NoSuchCall, NotNow

FLUSH_S: Final = 1.0
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DIGITS: Final = re.compile(r"[0-9*#w]{1,32}")


class TransferBody(msgspec.Struct, forbid_unknown_fields=True):
    """Where to: a name of ``[transfers]``."""

    to: str


class DigitsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which keys: 0-9, *, # and w (half a second), at most 32."""

    digits: str


@dataclass(frozen=True, slots=True)
class CallsParts:
    """What the routes work with. ``live``: records of this instance, fresher than the store's. ``flush``: write what waits.
    ``forget``: remove what belongs to a removed record elsewhere (recordings). ``forget_conversation``: at its agent.
    """

    control: CallControl
    store: Calls
    live: Callable[[], Collection[CallRecord]]
    flush: Callable[[float], Awaitable[bool]]
    transfers: Mapping[str, object]
    forget: Callable[[CallRecord], Awaitable[None]]
    forget_conversation: Callable[[CallRecord], Awaitable[None]]


class CallsApi:
    """The routes."""

    def __init__(self, parts: CallsParts) -> None:
        self._parts = parts

    def endpoints(self) -> list[Endpoint]:
        """All but the placing of calls."""
        one = "/calls/{id}"
        return [
            Endpoint("GET", "/calls", self._list),
            Endpoint("GET", one, self._get),
            Endpoint("DELETE", one, self._delete, role="operator"),
            Endpoint("POST", f"{one}/hangup", self._hang_up, role="operator"),
            Endpoint("POST", f"{one}/transfer", self._transfer, role="operator", body=TransferBody),
            Endpoint("POST", f"{one}/digits", self._digits, role="operator", body=DigitsBody),
            Endpoint("POST", f"{one}/hold", self._hold, role="operator"),
            Endpoint("POST", f"{one}/resume", self._resume, role="operator"),
        ]

    async def _list(self, asked: Asked) -> Response:
        query = ListQuery.read(asked.request.query_params)
        try:
            page = await self._parts.store.list(**query.store_arguments())
        except ValueError:
            raise Refused(422, "The cursor is none of ours.", "Send next_cursor of the page before.") from None
        live = {record.call_id: record for record in self._parts.live()}
        fresh = [live.get(record.call_id, record) for record in page.calls]
        body = [record.public() for record in fresh if query.status is None or record.status is query.status]
        return answer(200, {"calls": body, "next_cursor": page.next_cursor})

    async def _get(self, asked: Asked) -> Response:
        return answer(200, (await self._found(asked)).public())

    async def _found(self, asked: Asked) -> CallRecord:
        record = await self._parts.control.find(asked.id) if _ID.fullmatch(asked.id) else None
        if record is None:
            raise _unknown()
        return record

    async def _delete(self, asked: Asked) -> Response:
        with_agent = flag(asked.request.query_params, "agent")
        record = await self._found(asked)
        if not record.status.terminal:
            raise Refused(409, "The call is in progress.", "Hang it up first.")
        if with_agent:
            await self._parts.forget_conversation(record)
        await self._parts.flush(FLUSH_S)
        removed = await self._parts.store.delete(record.call_id)
        if removed is None:
            raise Refused(409, "The call is in progress.", "Ask again in a moment.")
        await self._parts.forget(removed)
        return Response(status_code=204)

    async def _hang_up(self, asked: Asked) -> Response:
        return await self._order(asked, HANGUP, {})

    async def _transfer(self, asked: Asked) -> Response:
        if asked.body.to not in self._parts.transfers:
            raise Refused(422, "There is no transfer of this name.", "Use a name of [transfers] in the configuration.")
        return await self._order(asked, TRANSFER, {"to": asked.body.to})

    async def _digits(self, asked: Asked) -> Response:
        if not _DIGITS.fullmatch(asked.body.digits):
            raise Refused(422, "These are no keys of a phone.", "Send 1 to 32 of 0-9, *, # and w (half a second).")
        return await self._order(asked, DIGITS, {"digits": asked.body.digits})

    async def _hold(self, asked: Asked) -> Response:
        return await self._order(asked, HOLD, {})

    async def _resume(self, asked: Asked) -> Response:
        return await self._order(asked, RESUME, {})

    async def _order(self, asked: Asked, verb: str, args: Mapping[str, Any]) -> Response:
        if not _ID.fullmatch(asked.id):
            raise _unknown()
        try:
            record = await self._parts.control.order(asked.id, verb, args)
        except NoSuchCall:
            raise _unknown() from None
        except NotNow as error:
            raise Refused(409, str(error), "Look at the call's status.") from None
        return answer(202, {"call_id": record.call_id, "status": str(record.status)})


def _unknown() -> Refused:
    return Refused(404, "There is no such call.", "Use call_id or carrier_call_id of GET /api/v1/calls.")
