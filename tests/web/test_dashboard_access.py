"""Who gets into the dashboard, and what they may do there, without a browser's good manners."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bridge.app import House
from bridge.call.record import Status
from tests.support.house import API_KEY, PUBLIC, configuration, running
from tests.web.test_dashboard import VIEWER_KEY, record
from tests.web.test_softphone import DEMO, demo_configuration

OPERATE = (
    *(f"/calls/call_seed1/{verb}" for verb in ("hangup", "transfer", "hold", "resume")),
    *("/calls/call_seed1/pause-recording", "/calls/call_seed1/resume-recording", "/agents/demo/check"),
    "/campaigns/camp_000000000000000000000000/pause",
)
LOOK = (
    "/",
    "/campaigns",
    "/calls",
    "/calls.csv",
    "/calls/call_seed1",
    "/overview",
    "/overview.json",
    "/agents",
    "/softphone",
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A bridge with an operator's and a viewer's key."""
    text = configuration(tmp_path, DEMO).replace(
        f'keys = ["{API_KEY}"]', f'keys = ["{API_KEY}", {{ key = "{VIEWER_KEY}", role = "viewer" }}]'
    )
    async with running(tmp_path, text) as house:
        await house.calls.save(record(1))
        yield house


@pytest.fixture
async def client(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that follows nothing and keeps cookies."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{house.port}", cookie_jar=jar) as client:
        yield client


async def log_in(client: aiohttp.ClientSession, house: House, key: str) -> str:
    """As the form does it; the cookie that came."""
    origin = f"http://127.0.0.1:{house.port}"
    form = {"key": key, "next": "/"}
    async with client.post("/login", data=form, headers={"Origin": origin}, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        return answer.headers["Set-Cookie"]


async def test_without_a_login_nothing_is_shown(client: aiohttp.ClientSession) -> None:
    """Every page sends a stranger to the login, every action and every stream of updates is refused."""
    for path in LOOK:
        async with client.get(path, allow_redirects=False) as answer:
            assert answer.status in (303, 401), path
            assert "call_seed1" not in await answer.text()
    for path in (*OPERATE, "/logout"):
        async with client.post(path, allow_redirects=False) as answer:
            assert answer.status in (401, 403), path
    async with client.get("/live") as answer:
        assert answer.status == 401


async def test_a_viewer_looks_and_does_not_touch(client: aiohttp.ClientSession, house: House) -> None:
    """A viewer's session opens every page, and no action or softphone call."""
    await log_in(client, house, VIEWER_KEY)
    origin = {"Origin": f"http://127.0.0.1:{house.port}"}
    for path in LOOK:
        async with client.get(path, allow_redirects=False) as answer:
            assert answer.status == 200, path
    for path in OPERATE:
        async with client.post(path, headers=origin, allow_redirects=False) as answer:
            assert answer.status == 403, path
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect("/softphone/media", headers=origin)
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": PUBLIC + ".evil.example"},
        {"Origin": "http://[bad"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
async def test_other_sites_cannot_act_with_our_cookie(
    client: aiohttp.ClientSession, house: House, headers: dict[str, str]
) -> None:
    """An operator's cookie in a request that another page makes hangs nobody up, logs nobody out and opens no socket."""
    await log_in(client, house, API_KEY)
    for path in (*OPERATE, "/logout", "/login", "/api/v1/calls/call_seed1/hangup"):
        async with client.post(path, headers=headers, data={"key": API_KEY}, allow_redirects=False) as answer:
            assert answer.status in (401, 403), path
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect("/softphone/media", headers=headers)
    assert refused.value.status == 403


async def test_actions_are_posts(client: aiohttp.ClientSession, house: House) -> None:
    """A link or an image cannot hang up: GET of an action is no method of it."""
    await log_in(client, house, API_KEY)
    for path in OPERATE:
        async with client.get(path) as answer:
            assert answer.status == 405, path


async def test_the_cookie_is_the_browsers_alone(client: aiohttp.ClientSession, house: House) -> None:
    """No script reads the session, no other site sends it, and beyond this machine it needs TLS and this very host."""
    cookie = await log_in(client, house, API_KEY)
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "__Host-" not in cookie
    outside = {"Host": "bridge.example.com", "Origin": PUBLIC}
    async with client.post("/login", data={"key": API_KEY}, headers=outside, allow_redirects=False) as answer:
        assert answer.headers["Set-Cookie"].startswith("__Host-callbridge=")
        assert "secure" in answer.headers["Set-Cookie"].lower()
        assert "domain" not in answer.headers["Set-Cookie"].lower()


async def test_a_session_ends_with_its_logout(client: aiohttp.ClientSession, house: House) -> None:
    """A copy of the cookie is worth nothing after the logout, and a forged or changed one never was."""
    cookie = (await log_in(client, house, API_KEY)).partition(";")[0]
    origin = {"Origin": f"http://127.0.0.1:{house.port}"}
    value = cookie.partition("=")[2]
    version, expiry, nonce, signature = value.split(".")
    forged = [
        f"{version}.{int(expiry) + 9}.{nonce}.{signature}",
        f"{version}.{expiry}.{nonce}.{signature[:-2]}AA",
        f"{version}.{expiry}.{nonce}.",
        f"{version}.-1.{nonce}.{signature}",
        "x",
    ]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{house.port}") as other:
        async with other.get("/calls", headers={"Cookie": cookie}, allow_redirects=False) as answer:
            assert answer.status == 200
        for each in forged:
            async with other.get("/calls", headers={"Cookie": f"callbridge={each}"}, allow_redirects=False) as answer:
                assert answer.status == 303, each
        async with client.post("/logout", headers=origin, allow_redirects=False) as answer:
            assert answer.status == 303
        async with other.get("/calls", headers={"Cookie": cookie}, allow_redirects=False) as answer:
            assert answer.status == 303


async def test_a_session_that_ended_here_is_over_on_every_instance(
    client: aiohttp.ClientSession, house: House, tmp_path: Path
) -> None:
    """Once the logout is answered, whoever asks the store knows of it: another instance, and the same one started again."""
    cookie = (await log_in(client, house, API_KEY)).partition(";")[0]
    async with running(tmp_path, configuration(tmp_path, DEMO)) as other:
        assert other.dashboard is not None

        async def status() -> int:
            url = f"http://127.0.0.1:{other.port}/calls"
            async with (
                aiohttp.ClientSession() as browser,
                browser.get(url, headers={"Cookie": cookie}, allow_redirects=False) as answer,
            ):
                return answer.status

        assert await status() == 200
        origin = {"Origin": f"http://127.0.0.1:{house.port}"}
        async with client.post("/logout", headers=origin, allow_redirects=False) as answer:
            assert answer.status == 303
        await other.dashboard.exchange_logouts()
        assert await status() == 303


async def test_guessing_keys_is_slow(client: aiohttp.ClientSession, house: House) -> None:
    """After some wrong keys none is looked at for a while, a right one neither."""
    origin = {"Origin": f"http://127.0.0.1:{house.port}"}
    for number in range(10):
        async with client.post("/login", data={"key": f"wrong-{number}"}, headers=origin) as answer:
            assert answer.status == 401
    async with client.post("/login", data={"key": API_KEY}, headers=origin, allow_redirects=False) as answer:
        assert answer.status == 429


async def test_a_form_that_is_none_is_refused(client: aiohttp.ClientSession, house: House) -> None:
    """Too many fields or too many bytes are the sender's mistake, and told as such."""
    origin = {"Origin": f"http://127.0.0.1:{house.port}", "Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"&".join([b"a=1"] * 21), b"key=" + b"a" * 5000):
        async with client.post("/login", data=body, headers=origin) as answer:
            assert answer.status == 413


async def test_the_login_leads_nowhere_else(client: aiohttp.ClientSession, house: House) -> None:
    """What follows the login is a page of ours, whatever the link to it said."""
    origin = {"Origin": f"http://127.0.0.1:{house.port}"}
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nX: y"):
        form = {"key": API_KEY, "next": target}
        async with client.post("/login", data=form, headers=origin, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/", target


async def test_every_page_keeps_the_browser_on_a_leash(client: aiohttp.ClientSession, house: House) -> None:
    """No inline script, no foreign source, no frame, no guessing of types; and no inline script is in any page."""
    await log_in(client, house, API_KEY)
    for path in (*LOOK, "/login", "/static/softphone.js", "/calls/none"):
        async with client.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self';"), path
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            text = await answer.text()
            assert " onclick=" not in text
            assert "<script>" not in text


async def test_static_files_are_those_that_are_there(client: aiohttp.ClientSession) -> None:
    """No path leads out of the folder of static files."""
    for name in ("../guard.py", "%2e%2e%2fguard.py", "..%5cguard.py", "%00", "softphone.js%00.css"):
        async with client.get(f"/static/{name}") as answer:
            assert answer.status == 404, name


async def test_exports_are_harmless_to_spreadsheets(client: aiohttp.ClientSession, house: House) -> None:
    """A cell that a caller began with = + - @ is text to a spreadsheet."""
    await house.calls.save(record(2, from_number="=cmd|' /C calc'!A0", line="@SUM(1)", to_number="-1+1"))
    await log_in(client, house, API_KEY)
    async with client.get("/calls.csv") as answer:
        lines = (await answer.text()).splitlines()
    assert any("'=cmd|" in line and "'@SUM(1)" in line and "'-1+1" in line for line in lines)


async def test_without_keys_there_is_no_dashboard(tmp_path: Path) -> None:
    """No keys: no page, no login, no softphone."""
    text = configuration(tmp_path, DEMO).replace(f'keys = ["{API_KEY}"]', "keys = []")
    async with running(tmp_path, text) as house, aiohttp.ClientSession(f"http://127.0.0.1:{house.port}") as client:
        for path in (*LOOK, "/login", "/live"):
            async with client.get(path, allow_redirects=False) as answer:
                assert answer.status == 404, path


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example:8080"}, {"X-Forwarded-For": "203.0.113.9"}, {"Host": "127.0.0.1.evil.example"}],
)
async def test_the_demo_is_open_to_this_machine_alone(tmp_path: Path, headers: dict[str, str]) -> None:
    """A name that was bent to this machine, and a proxy in front of it, are asked for a login like anybody."""
    async with (
        running(tmp_path, demo_configuration(tmp_path)) as house,
        aiohttp.ClientSession(f"http://127.0.0.1:{house.port}") as client,
    ):
        async with client.get("/softphone", allow_redirects=False) as answer:
            assert answer.status == 200
        async with client.get("/softphone", headers=headers, allow_redirects=False) as answer:
            assert answer.status == 303
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect("/softphone/media", headers={"Origin": "http://evil.example:8080", **headers})


async def test_a_call_is_counted_at_the_line_that_answers_it(client: aiohttp.ClientSession, house: House) -> None:
    """A number without a line of its own is answered by "any other", and its calls are counted there."""
    await house.calls.save(record(7, call_id="call_live", status=Status.IN_PROGRESS, outcome=None, ended_at=None))
    await log_in(client, house, VIEWER_KEY)
    async with client.get("/agents") as answer:
        page = await answer.text()
    lines = page.split('aria-label="Lines"')[1].split("</section>")[0]
    assert '<td data-name="Live">1</td>' in lines
