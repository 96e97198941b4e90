"""The page about campaigns: how far each has come, what came of it, and the buttons that start and stop it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.store.campaigns import Campaign, CampaignStore
from bridge.web.access import Visitor
from bridge.web.api_campaigns import CAMPAIGN_ID, MOVES, public
from bridge.web.dashboard.calls import kept
from bridge.web.dashboard.guard import Guard
from bridge.web.problems import problem

SHOWN: Final = 50  # the newest; the API has the others
OVER: Final = frozenset({"finished", "canceled"})
ENDED: Final = frozenset({"done", "skipped"})  # people with whom nothing more happens

log = structlog.get_logger("bridge.dashboard")


class CampaignPages:
    """The routes."""

    def __init__(self, guard: Guard, store: CampaignStore) -> None:
        self._guard = guard
        self._store = store

    def routes(self) -> list[Route]:
        """All of them."""
        wants = self._guard.wants
        return [
            Route("/campaigns", wants("viewer")(kept(self._page))),
            Route("/campaigns/{id}/{verb:str}", wants("operator", page=False)(kept(self._move)), methods=["POST"]),
        ]

    async def _page(self, request: Request, visitor: Visitor) -> Response:
        campaigns = await progress(self._store)
        return self._guard.page(request, "campaigns.html", visitor, campaigns=campaigns, shown=SHOWN)

    async def _move(self, request: Request, visitor: Visitor) -> Response:
        campaign_id, verb = request.path_params["id"], request.path_params["verb"]
        campaign = await self._store.get(campaign_id) if CAMPAIGN_ID.fullmatch(campaign_id) else None
        if campaign is None or verb not in MOVES:
            return problem(404, "There is no such campaign, or no such action.")
        to, only_from = MOVES[verb]
        if not await self._store.move(campaign_id, to=to, only_from=only_from, now=datetime.now(UTC)):
            return problem(
                409, f"The campaign is {campaign.state}.", remedy=f"{verb} follows {' or '.join(only_from)}."
            )
        log.info("operator_action", actor=visitor.name, route=f"dashboard {verb}", campaign_id=campaign_id)
        return RedirectResponse("/campaigns", 303)


async def progress(
    store: CampaignStore, *, known: Mapping[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """The newest campaigns as the page shows them, newest first. Raises StoreUnavailable.

    ``known``: by id, what was told before; of a campaign that was over then nobody is counted again.
    """
    known = known or {}
    campaigns = await store.all(limit=SHOWN)
    changing = [
        each.campaign_id
        for each in campaigns
        if each.state not in OVER or (known.get(each.campaign_id) or {}).get("settled") is not True
    ]
    tallies = await store.tallies(changing) if changing else {}
    return [
        dict(known[each.campaign_id]) if each.campaign_id not in tallies else _shown(each, tallies[each.campaign_id])
        for each in campaigns
    ]


def _shown(campaign: Campaign, tally: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    states = tally["states"]
    calling = states.get("calling", 0)
    return {
        **public(campaign),
        "people": sum(states.values()),
        "ended": sum(states.get(each, 0) for each in ENDED),
        "calling": calling,
        "waiting": states.get("waiting", 0),
        "results": dict(sorted(tally["results"].items(), key=lambda item: (-item[1], item[0]))),
        "verbs": [
            verb for verb, (_, only_from) in MOVES.items() if campaign.state in only_from and _offered(verb, campaign)
        ],
        "settled": campaign.state in OVER and not calling,
    }


def _offered(verb: str, campaign: Campaign) -> bool:
    return verb != "start" or campaign.state == "draft"  # what was paused is resumed
