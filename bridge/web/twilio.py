"""Twilio's routes: every one is proved by its signature before anything else happens."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.carriers.twilio.webhooks import (
    Form,
    Signature,
    WebhookRefused,
    parse_after,
    parse_machine_result,
    parse_message,
    parse_message_update,
    parse_recording,
    parse_status,
    parse_voice,
)
from bridge.carriers.twilio.webhooks.form import MAX_BODY
from bridge.errors import StoreUnavailable
from bridge.web.bodies import BodyTooLarge, read_body
from bridge.web.problems import problem
from bridge.web.reception import Reception

XML: Final = "text/xml; charset=utf-8"
MAX_COUNTER: Final = 1000
_CALL_ID: Final = re.compile(r"call_[0-9a-f]{24}")

log = structlog.get_logger("bridge.twilio")

Handler = Callable[[Form, Request], Awaitable[Response]]
Hook = Callable[[object], Awaitable[None]]


class TwilioRoutes:
    """The carrier's side of the front door."""

    def __init__(self, reception: Reception, signature: Signature, account_sid: str) -> None:
        self.refused = 0
        self.hooks: dict[str, Hook] = {}  # amd, recording, sms: by whoever deals with them
        self._reception = reception
        self._signature = signature
        self._account_sid = account_sid

    def routes(self) -> list[Route]:
        """Every carrier route."""
        handlers: dict[str, Handler] = {
            "/twilio/voice": self._voice,
            "/twilio/after": self._after,
            "/twilio/status": self._status,
            "/twilio/whisper": self._whisper,
            "/twilio/amd": self._amd,
            "/twilio/recording": self._recording,
            "/twilio/sms": self._sms,
        }
        return [Route(path, self._proved(handler), methods=["POST"]) for path, handler in handlers.items()]

    def _proved(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                body = await read_body(request, MAX_BODY)
            except BodyTooLarge:
                return self._refuse(request, 413, "The body is too large.", "")
            try:
                form = self._signature.admit(
                    request.headers.get("x-twilio-signature"),
                    path=request.scope["raw_path"],
                    query=request.scope["query_string"],
                    content_type=request.headers.get("content-type"),
                    body=body,
                )
                return await handler(form, request)
            except WebhookRefused as error:
                return self._refuse(request, error.status, str(error), error.hint)
            except StoreUnavailable:  # the callbacks' addresses make the carrier ask again
                return problem(503, "The store is away.", remedy="Ask again.")

        return endpoint

    def _refuse(self, request: Request, status: int, detail: str, remedy: str) -> Response:
        self.refused += 1
        peer = request.client.host if request.client else ""
        log.warning("webhook_refused", route=request.scope["path"][:64], status=status, why=detail, peer=peer)
        return problem(status, detail, remedy=remedy)

    async def _voice(self, form: Form, request: Request) -> Response:
        answer = await self._reception.voice(parse_voice(form, account_sid=self._account_sid), placed_as(request))
        return Response(answer, media_type=XML)

    async def _whisper(self, form: Form, request: Request) -> Response:
        parse_voice(form, account_sid=self._account_sid)
        return Response(await self._reception.whisper(placed_as(request)), media_type=XML)

    async def _after(self, form: Form, request: Request) -> Response:
        counter = request.query_params.get("n", "1")
        number = int(counter) if counter.isascii() and counter.isdigit() and len(counter) < 5 else 1
        answer = await self._reception.after(
            parse_after(form, account_sid=self._account_sid),
            min(number, MAX_COUNTER),
            dialled=request.query_params.get("dial") == "1",
        )
        return Response(answer, media_type=XML)

    async def _status(self, form: Form, request: Request) -> Response:
        await self._reception.status(parse_status(form, account_sid=self._account_sid), placed_as(request))
        return Response(status_code=204)

    async def _amd(self, form: Form, request: Request) -> Response:
        return await self._tell("amd", parse_machine_result(form, account_sid=self._account_sid))

    async def _recording(self, form: Form, request: Request) -> Response:
        return await self._tell("recording", parse_recording(form, account_sid=self._account_sid))

    async def _sms(self, form: Form, request: Request) -> Response:
        if "MessageStatus" in form:
            return await self._tell("message_update", parse_message_update(form, account_sid=self._account_sid))
        await self._tell("sms", parse_message(form, account_sid=self._account_sid))
        return Response('<?xml version="1.0" encoding="UTF-8"?><Response></Response>', media_type=XML)

    async def _tell(self, hook: str, value: object) -> Response:
        found = self.hooks.get(hook)
        if found is not None:
            await found(value)
        return Response(status_code=204)


def placed_as(request: Request) -> str:
    """Our id of a call that we placed, which rides in the (signed) address; "" in any other."""
    call_id = request.query_params.get("call", "")
    return call_id if _CALL_ID.fullmatch(call_id) else ""
