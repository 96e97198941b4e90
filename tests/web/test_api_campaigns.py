"""Campaigns and suppressions over the operator API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.store.database import Database
from bridge.store.suppression import Suppressions
from tests.support.deployment import Deployment, deployed

PEOPLE = "number,name,zone\n+12125550123,Ada,America/New_York\n+12125550124,=2+3,America/New_York\nbad,Bob,\n"
RULES = {"from": ["+15550100"]}
OUTBOUND = '[outbound]\nallowed_prefixes = ["+1"]\n'


@pytest.fixture
async def all_(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment that may call +1."""
    async with deployed(tmp_path, more=OUTBOUND) as deployment:
        yield deployment


async def test_a_preview_stores_nothing(all_: Deployment) -> None:
    """It tells who would be called, and why the others would not."""
    reply = await all_.ask("POST", "/api/v1/campaigns/preview", body={"rules": RULES, "csv": PEOPLE})
    assert reply.json["summary"] == "2 will be called, 1 skipped"
    assert reply.json["lines"] == [{"line": 4, "why": "the number is not in E.164"}]
    assert (await all_.ask("GET", "/api/v1/campaigns")).json == {"campaigns": []}


async def test_a_campaign_moves_only_as_it_can(all_: Deployment) -> None:
    """Draft, running, paused, canceled; what does not follow is 409, and the results account for every line."""
    made = await all_.ask("POST", "/api/v1/campaigns", body={"name": "reminders", "rules": RULES, "csv": PEOPLE})
    assert made.status == 201
    path = f"/api/v1/campaigns/{made.json['campaign_id']}"
    assert (await all_.ask("POST", f"{path}/pause", body={})).status == 409
    for verb, state in (("start", "running"), ("pause", "paused"), ("resume", "running"), ("cancel", "canceled")):
        reply = await all_.ask("POST", f"{path}/{verb}", body={})
        assert (reply.status, reply.json["state"]) == (202, state)
    assert (await all_.ask("POST", f"{path}/start", body={})).status == 409
    assert (await all_.ask("PATCH", path, body={"rules": {"max_attempts": 1}})).status == 409
    status = await all_.ask("GET", path)
    assert status.json["states"] == {"done": 2, "skipped": 1}
    lines = (await all_.ask("GET", f"{path}/results")).text.splitlines()
    assert lines[0].startswith("line,number,name,state,result")
    assert lines[2].startswith("3,'+12125550124,'=2+3,done,canceled")
    assert len(lines) == 4


async def test_rules_change_while_it_waits(all_: Deployment) -> None:
    """They are laid over the present ones; null takes one away; what cannot be is refused."""
    made = await all_.ask("POST", "/api/v1/campaigns", body={"rules": {**RULES, "max_attempts": 2}, "csv": PEOPLE})
    path = f"/api/v1/campaigns/{made.json['campaign_id']}"
    reply = await all_.ask("PATCH", path, body={"rules": {"hours": ["mon-fri 09:00-17:00"], "max_attempts": None}})
    assert reply.json["rules"] == {**RULES, "hours": ["mon-fri 09:00-17:00"]}
    assert (await all_.ask("PATCH", path, body={"rules": {"hours": ["always"]}})).status == 422


async def test_the_same_key_is_one_campaign(all_: Deployment) -> None:
    """A request that is repeated stores nothing twice; with another list the key is spent, and a preview needs none."""
    body, key = {"rules": RULES, "csv": PEOPLE}, {"Idempotency-Key": "k"}
    made = [await all_.ask("POST", "/api/v1/campaigns", body=body, headers=key) for _ in range(2)]
    assert [each.status for each in made] == [201, 201]
    assert made[0].json == made[1].json
    other = {**body, "csv": PEOPLE + "+12125550125,Cyd,America/New_York\n"}
    assert (await all_.ask("POST", "/api/v1/campaigns", body=other, headers=key)).status == 409
    assert len((await all_.ask("GET", "/api/v1/campaigns")).json["campaigns"]) == 1
    assert (await all_.ask("POST", "/api/v1/campaigns/preview", body=other, headers=key)).status == 200


async def test_a_step_with_a_key_is_made_once(all_: Deployment) -> None:
    """Whose answer was lost asks again, and learns that it was done; a refused step leaves the key free."""
    made = await all_.ask("POST", "/api/v1/campaigns", body={"rules": RULES, "csv": PEOPLE})
    path, key = f"/api/v1/campaigns/{made.json['campaign_id']}", {"Idempotency-Key": "s"}
    assert (await all_.ask("POST", f"{path}/pause", body={}, headers=key)).status == 409
    answers = [await all_.ask("POST", f"{path}/start", body={}, headers=key) for _ in range(2)]
    assert [(each.status, each.json["state"]) for each in answers] == [(202, "running")] * 2
    assert (await all_.ask("POST", f"{path}/start", body={})).status == 409


async def test_a_long_list_is_judged_all_the_same(all_: Deployment) -> None:
    """Beyond some size by another process, with the same answer."""
    people = "number,zone\n" + "".join(f"+1212{2000000 + n},America/New_York\n" for n in range(3000)) + "bad,\n"
    reply = await all_.ask("POST", "/api/v1/campaigns/preview", body={"rules": RULES, "csv": people})
    assert reply.json["summary"] == "3000 will be called, 1 skipped"
    broken = await all_.ask("POST", "/api/v1/campaigns/preview", body={"rules": RULES, "csv": "x" * 100_000})
    assert broken.status == 422
    assert broken.json["remedy"]


async def test_who_is_suppressed_is_not_called(all_: Deployment) -> None:
    """Numbers are taken all or none; a call to one of them is refused, a list skips it."""
    wrong = await all_.ask("POST", "/api/v1/suppressions", body={"numbers": ["+12125550123", "0123"]})
    assert wrong.status == 422
    reply = await all_.ask("POST", "/api/v1/suppressions", body={"csv": "number\n+12125550123\n"})
    assert reply.json == {"added": 1, "known": 0}
    refused = await all_.ask("POST", "/api/v1/calls", body={"to": "+12125550123", "from": "+15550100"})
    assert refused.status == 422
    preview = await all_.ask("POST", "/api/v1/campaigns/preview", body={"rules": RULES, "csv": PEOPLE})
    assert preview.json["reasons"]["on the suppression list"] == 1
    assert (await all_.ask("DELETE", "/api/v1/suppressions/+12125550123")).status == 204
    assert (await all_.ask("GET", "/api/v1/suppressions")).json["suppressions"] == []
    gone = await all_.ask("DELETE", "/api/v1/suppressions/+12125550123")
    assert (gone.status, bool(gone.json["remedy"])) == (404, True)


async def test_who_has_opted_out_stays_so(all_: Deployment) -> None:
    """An operator cannot take them off the list: 409, and they are on it still."""
    store = Database(all_.house.settings.database_url)
    await Suppressions(store).add(["+12125550125"], source="opt_out", now=datetime.now(UTC))
    await store.close()
    assert (await all_.ask("DELETE", "/api/v1/suppressions/+12125550125")).status == 409
    listed = (await all_.ask("GET", "/api/v1/suppressions")).json["suppressions"]
    assert [each["number"] for each in listed] == ["+12125550125"]


@pytest.mark.parametrize("query", ["format=xml", "format=", "format=csv&format=json", "columns=all"])
async def test_results_are_asked_for_as_described(all_: Deployment, query: str) -> None:
    """What the description does not have is told, and not passed over."""
    made = await all_.ask("POST", "/api/v1/campaigns", body={"rules": RULES, "csv": PEOPLE})
    path = f"/api/v1/campaigns/{made.json['campaign_id']}/results"
    refused = await all_.ask("GET", f"{path}?{query}")
    assert (refused.status, bool(refused.json["remedy"])) == (422, True)
    assert len((await all_.ask("GET", f"{path}?format=json")).json["results"]) == 3
    assert (await all_.ask("GET", "/api/v1/suppressions?limit=5")).status == 422


async def test_a_method_that_a_route_has_not_is_told_with_those_it_has(all_: Deployment) -> None:
    """Also where the routes of campaigns and those of calls share a path."""
    for path, allowed in (("/calls", "GET, HEAD, POST"), ("/campaigns", "GET, HEAD, POST")):
        refused = await all_.ask("PUT", f"/api/v1{path}", body={})
        assert (refused.status, refused.headers["Allow"]) == (405, allowed)


async def test_nobody_without_a_key_sees_or_starts_anything(all_: Deployment) -> None:
    """401 everywhere."""
    for method, path in (("GET", "/campaigns"), ("POST", "/campaigns"), ("POST", "/suppressions")):
        assert (await all_.ask(method, f"/api/v1{path}", key=None)).status == 401
