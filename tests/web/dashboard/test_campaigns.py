"""Campaigns on the dashboard: how far they have come, live, and who may start and stop them."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import text as sql

from bridge.app import House
from bridge.store.campaigns import Campaign, CampaignStore, Target
from bridge.web.dashboard.campaigns import progress
from tests.support.browser import chromium, needs_chromium, until
from tests.support.house import API_KEY, configuration, running
from tests.web.test_dashboard import ATTACKS, NOW, VIEWER_KEY, add_campaign, log_in
from tests.web.test_softphone import DEMO

MINE = "camp_" + "a" * 24  # as add_campaign calls it


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A bridge with a login."""
    keys = f'keys = [{{ key = "{API_KEY}" }}, {{ key = "{VIEWER_KEY}", role = "viewer" }}]'
    text = configuration(tmp_path, DEMO).replace(f'keys = ["{API_KEY}"]', keys)
    async with running(tmp_path, text) as house:
        yield house


def store(house: House) -> CampaignStore:
    """Of this bridge."""
    return CampaignStore(house.database)


async def test_progress_counts_people(house: House) -> None:
    """Those with whom nothing more happens, those on the phone, those who wait; results by their number."""
    await add_campaign(house)
    (shown,) = await progress(store(house))
    assert (shown["people"], shown["ended"], shown["calling"], shown["waiting"]) == (10, 4, 1, 5)
    assert list(shown["results"].items()) == [("confirmed", 2), ("no_answer", 1), ("suppressed", 1)]
    assert shown["verbs"] == ["pause", "cancel"]
    assert not shown["settled"]


async def test_what_is_over_is_not_counted_again(house: House) -> None:
    """A campaign that is over, with nobody on the phone, is shown as it was told before."""
    await store(house).create(
        Campaign(campaign_id=MINE, name="old", state="finished", created_at=NOW),
        [Target(position=1, number="+12125550001", state="done", result="confirmed")],
    )
    (shown,) = await progress(store(house))
    assert shown["settled"]
    (again,) = await progress(store(house), known={MINE: shown | {"ended": 99}})
    assert again["ended"] == 99


async def test_only_operators_move_campaigns_and_only_as_they_can(house: House) -> None:
    """A viewer sees and is refused; a stranger sees nothing; what does not follow is 409; ids that are none are 404."""
    await add_campaign(house, name="winter")
    base = f"http://127.0.0.1:{house.port}"
    for key, moved in (("", (401, 401, 401)), (VIEWER_KEY, (403, 403, 403)), (API_KEY, (303, 409, 404))):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with aiohttp.ClientSession(base, headers=headers) as client:
            async with client.get("/campaigns", allow_redirects=False) as page:
                assert ("winter" in await page.text()) is bool(key)
            paths = (f"/campaigns/{MINE}/pause", f"/campaigns/{MINE}/pause", "/campaigns/camp_x/pause")
            for path, status in zip(paths, moved, strict=True):
                async with client.post(path, allow_redirects=False) as answer:
                    assert answer.status == status, (key, path)
            async with client.get(paths[0], allow_redirects=False) as answer:
                assert answer.status == 405
    found = await store(house).get(MINE)
    assert found is not None
    assert found.state == "paused"


@needs_chromium
@pytest.mark.browser
async def test_the_page_follows_a_campaign_and_stops_it(house: House) -> None:
    """The bar grows by itself, pause and resume take each other's place, cancel is asked about first, a new one appears."""
    await add_campaign(house)
    words = "document.querySelector('[data-field=words]').textContent"
    visible = "[...document.querySelectorAll('[data-verb]')].filter((each) => each.offsetParent)"
    shown = visible + ".map((each) => each.dataset.verb).join()"
    async with chromium() as browser:
        page = await browser.new_page()
        base = await log_in(page, house)
        await page.goto(base + "/campaigns")
        assert await page.evaluate(shown) == "pause,cancel"
        assert await page.evaluate("document.querySelector('progress').value") == 4
        async with house.database.write() as connection:
            await connection.execute(sql("UPDATE targets SET state='done', result='busy' WHERE state='calling'"))
        await until(page, f"{words}.startsWith('5 of 10 people; 0 on the phone')")
        assert await page.evaluate("document.querySelector('progress').value") == 5
        assert "busy" in await page.inner_text("[data-field=outcomes]")
        await page.click("[data-verb=pause] button")
        await until(page, f"{shown} === 'resume,cancel'")
        await page.click("[data-verb=resume] button")
        await until(page, f"{shown} === 'pause,cancel'")
        page.once("dialog", lambda dialog: dialog.dismiss())
        await page.click("[data-verb=cancel] button")
        page.once("dialog", lambda dialog: dialog.accept())
        await page.click("[data-verb=cancel] button")
        await until(page, f"{shown} === '' && document.querySelector('[data-field=state]').textContent === 'canceled'")
        await add_campaign(house, campaign_id="camp_" + "b" * 24, name=ATTACKS[0])
        await until(page, "document.querySelectorAll('#campaigns > li').length === 2")
        assert await page.evaluate("window.hacked") is None
        assert ATTACKS[0] in await page.inner_text("#campaigns")


async def test_a_campaigns_page_hears_of_campaigns_alone(house: House) -> None:
    """What is told to those who watch campaigns is not mixed with calls."""
    await add_campaign(house)
    assert house.dashboard is not None
    async with house.dashboard.live.watch(campaigns=True) as viewer:
        assert viewer is not None
        told = await viewer.queue.get()
        assert told.startswith(b"event: campaign\n")
        assert viewer.queue.empty()
