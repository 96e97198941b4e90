"""``/api/v1/campaigns`` and ``/api/v1/suppressions``."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bridge.call.record import iso
from bridge.outbound import table
from bridge.outbound.importing import MAX_BODY, Judged, judge_apart
from bridge.outbound.placing import new_call_id
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.rules import Defaults, read_rules
from bridge.store.campaigns import Campaign, CampaignStore
from bridge.store.idempotency import Idempotency
from bridge.store.suppression import Suppressions
from bridge.web.api_outbound import Answer, Guard, guarded, once, read_json
from bridge.web.bodies import BodyTooLarge, read_body

MAX_SUPPRESSIONS: Final = 8 * 1024 * 1024  # bytes
PAGE: Final = 1000
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
CAMPAIGN_ID: Final = re.compile(r"camp_[0-9a-f]{24}")
# verb -> (the state that follows, those it may follow)
MOVES: Final = {
    "start": ("running", ("draft", "paused")),
    "resume": ("running", ("paused",)),
    "pause": ("paused", ("running",)),
    "cancel": ("canceled", ("draft", "running", "paused")),
}

Handler = Callable[[Request, str], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class CampaignsApi:
    """The routes; ``guard`` proves who asks."""

    policy: Policy
    defaults: Defaults
    store: CampaignStore
    suppressions: Suppressions
    idempotency: Idempotency
    guard: Guard

    def routes(self) -> list[Route]:
        """They stand before the other routes of the API."""
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/campaigns", self._create),
            ("GET", "/campaigns", self._list),
            ("POST", "/campaigns/preview", self._preview),
            ("GET", "/campaigns/{id}", self._status),
            ("PATCH", "/campaigns/{id}", self._change),
            ("GET", "/campaigns/{id}/results", self._results),
            ("POST", "/campaigns/{id}/{verb:str}", self._move),
            ("GET", "/suppressions", self._suppressed),
            ("POST", "/suppressions", self._suppress),
            ("DELETE", "/suppressions/{number}", self._allow),
        ]
        return [Route(f"/api/v1{path}", guarded(self.guard, each), methods=[method]) for method, path, each in table]

    # ------------------------------------------------------------ making one

    async def _judged(self, raw: bytes) -> Judged:
        judged = await judge_apart(raw, self.policy, self.defaults, datetime.now(UTC))
        numbers = [target.number for target in judged.preview.targets]
        judged.preview.suppress(await self.suppressions.of(numbers))
        return judged

    async def _preview(self, request: Request, who: str) -> Response:
        return JSONResponse((await self._judged(await _raw(request))).preview.public())

    async def _create(self, request: Request, who: str) -> Response:
        raw = await _raw(request)

        async def create(seed: str) -> Answer:
            judged = await self._judged(raw)
            campaign = Campaign(
                campaign_id=new_call_id(seed).replace("call_", "camp_"),
                name=judged.name,
                rules=judged.rules,
                created_at=datetime.now(UTC),
            )
            await self.store.create(campaign, judged.preview.stored())  # there already: the same request, died in
            return 201, {"campaign_id": campaign.campaign_id, "state": "draft", **judged.preview.public()}

        return await once(self.idempotency, request, who, hashlib.sha256(raw).hexdigest(), create)

    # ------------------------------------------------------------ looking at it

    async def _list(self, request: Request, who: str) -> Response:
        return JSONResponse({"campaigns": [public(each) for each in await self.store.all()]})

    async def _status(self, request: Request, who: str) -> Response:
        campaign = await self._found(request)
        return JSONResponse(
            {**public(campaign), "rules": campaign.rules, **await self.store.tally(campaign.campaign_id)}
        )

    async def _results(self, request: Request, who: str) -> Response:
        campaign = await self._found(request)
        form = _asked(request, "format", "csv")
        if form not in {"csv", "json"}:
            raise Refused("there is no such format", hint="csv or json.")
        if form == "json":
            found = [msgspec.to_builtins(_person(each)) async for page in self._pages(campaign) for each in page]
            return JSONResponse({"results": found})

        async def lines() -> AsyncIterator[str]:
            yield table.head()
            async for page in self._pages(campaign):
                yield table.rows(page)

        name = f'attachment; filename="{campaign.campaign_id}.csv"'
        return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})

    async def _pages(self, campaign: Campaign) -> AsyncIterator[list[Any]]:
        after = 0
        while page := await self.store.targets(campaign.campaign_id, after=after, limit=PAGE):
            yield page
            after = page[-1].position

    # ------------------------------------------------------------ changing it

    async def _move(self, request: Request, who: str) -> Response:
        campaign = await self._found(request)
        verb = request.path_params["verb"]
        if verb not in MOVES:
            raise Refused("there is no such action", status=404, hint=f"One of {', '.join(MOVES)}.")
        to, only_from = MOVES[verb]

        async def move(_: str) -> Answer:
            moved = await self.store.move(campaign.campaign_id, to=to, only_from=only_from, now=datetime.now(UTC))
            if not moved:
                raise Refused(
                    f"the campaign is {campaign.state}", status=409, hint=f"{verb} follows {' or '.join(only_from)}."
                )
            return 202, {"campaign_id": campaign.campaign_id, "state": to}

        return await once(self.idempotency, request, who, "", move)

    async def _change(self, request: Request, who: str) -> Response:
        campaign = await self._found(request)
        body = await read_json(request)
        if not isinstance(body, dict) or set(body) != {"rules"} or not isinstance(body["rules"], dict):
            raise Refused(
                "only the rules can be changed", hint='Send {"rules": {...}}: they are laid over the present ones.'
            )
        merged = {**campaign.rules, **body["rules"]}
        rules = read_rules(
            {name: value for name, value in merged.items() if value is not None}, self.policy, self.defaults
        )
        kept = msgspec.to_builtins(rules)
        if not await self.store.change_rules(campaign.campaign_id, kept, now=datetime.now(UTC)):
            raise Refused(f"the campaign is {campaign.state}", status=409, hint="It is over.")
        return JSONResponse({"campaign_id": campaign.campaign_id, "rules": kept})

    async def _found(self, request: Request) -> Campaign:
        campaign_id = request.path_params["id"]
        campaign = await self.store.get(campaign_id) if CAMPAIGN_ID.fullmatch(campaign_id) else None
        if campaign is None:
            raise Refused("there is no such campaign", status=404, hint="Use campaign_id of GET /api/v1/campaigns.")
        return campaign

    # ------------------------------------------------------------ who must not be called

    async def _suppressed(self, request: Request, who: str) -> Response:
        found = await self.suppressions.list(limit=PAGE, after=_asked(request, "after"))
        listed = [
            {"number": each.number, "source": each.source, "note": each.note, "added_at": iso(each.added_at)}
            for each in found
        ]
        return JSONResponse({"suppressions": listed, "next": found[-1].number if len(found) == PAGE else None})

    async def _suppress(self, request: Request, who: str) -> Response:
        body = await read_json(request, MAX_SUPPRESSIONS)
        numbers = body.get("numbers") if isinstance(body, dict) else None
        source = "api"
        if isinstance(body, dict) and isinstance(body.get("csv"), str):
            source = "import"
            numbers = [row[0].strip() for row in csv.reader(io.StringIO(body["csv"])) if row and row[0].strip()]
            numbers = numbers[1:] if numbers and numbers[0].lower() == "number" else numbers
        if not isinstance(numbers, list) or not numbers:
            raise Refused("there are no numbers", hint='Send {"numbers": ["+12125550123"]} or {"csv": "number\\n..."}.')
        wrong = [at for at, each in enumerate(numbers, 1) if not isinstance(each, str) or not _E164.fullmatch(each)]
        if wrong:
            places = ", ".join(map(str, wrong[:20]))
            raise Refused(
                f"not in E.164 are the numbers at {places}", hint="Nothing was taken: put them right, and send all."
            )
        added = await self.suppressions.add(numbers, source=source, now=datetime.now(UTC))
        return JSONResponse({"added": added, "known": len(set(numbers)) - added})

    async def _allow(self, request: Request, who: str) -> Response:
        number = request.path_params["number"]
        if await self.suppressions.remove(number):
            return Response(status_code=204)
        if number in await self.suppressions.of([number]):
            raise Refused("its owner has opted out", status=409, hint="An opt-out is kept for ever.")
        raise Refused("it is not on the list", status=404, hint="GET /api/v1/suppressions has those that are.")


def _asked(request: Request, name: str, otherwise: str = "") -> str:
    """The one query parameter that a route has."""
    params = request.query_params.multi_items()
    if any(each != name for each, _ in params) or len(params) > 1:
        raise Refused("there is an unknown query parameter, or one twice", hint=f"Known is: {name}.")
    return params[0][1] if params else otherwise


async def _raw(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused("the body is not announced as JSON", status=415, hint="Send Content-Type: application/json.")
    try:
        return await read_body(request, MAX_BODY)
    except BodyTooLarge:
        raise Refused("the list is too large", status=413, hint="Make it several.") from None


def public(campaign: Campaign) -> dict[str, Any]:
    """What is told of a campaign wherever it is told of, without its people."""
    return {
        "campaign_id": campaign.campaign_id,
        "name": campaign.name,
        "state": campaign.state,
        "why": campaign.why,
        "created_at": iso(campaign.created_at),
    }


def _person(target: Any) -> dict[str, Any]:
    return {
        "line": target.position,
        "number": target.number,
        "name": target.name,
        "state": target.state,
        "result": target.result,
        "calls": target.tries,
        "call_id": target.call_id,
        "note": target.note,
    }
