"""The whole check-up of deployments that are well, and of some that are not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bridge.app import House
from bridge.doctor import front, within
from bridge.doctor.findings import Finding

from .conftest import Deployment, free_port
from .proxy import Proxy


@contextlib.asynccontextmanager
async def serving(deployment: Deployment, *, port: int | None = None, token: str | None = None) -> AsyncIterator[House]:
    """The bridge of that configuration."""
    text = deployment.text if token is None else deployment.text.replace(deployment.token, token)
    house = House(deployment.settings(text), host="127.0.0.1", port=port or deployment.port)
    task = asyncio.create_task(house.serve())
    async with asyncio.timeout(20):
        await house.started.wait()
    try:
        yield house
    finally:
        house.stop()
        async with asyncio.timeout(20):
            await task


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent socket is watched for half a second only."""
    monkeypatch.setitem(front.media_socket.__kwdefaults__, "silence_s", 0.5)


def lines(findings: list[Finding], level: str) -> list[str]:
    """The subjects of a level."""
    return [finding.subject for finding in findings if finding.level == level]


def found(findings: list[Finding], words: str) -> Finding:
    """The one that says so."""
    return next(finding for finding in findings if words in finding.what)


async def test_a_deployment_that_is_well(deployment: Deployment) -> None:
    """Where everything is as it should be nothing fails, and one line each says so."""
    number = deployment.rest.number("+15550100")
    number.facts |= {
        "voice_url": f"{deployment.url}/twilio/voice",
        "status_callback": f"{deployment.url}/twilio/status",
        "voice_fallback_url": "https://handler.twilio.com/twiml/EH1",
    }
    async with serving(deployment):
        findings = await deployment.examine()
    assert not lines(findings, "FAIL") + lines(findings, "warn"), [str(each) for each in findings]
    assert {"carrier", "clock", "database", "disk", "public_url", "media socket"} <= set(lines(findings, "ok"))
    assert {"agent support", "agent booking", "agent demo", "number ***0100"} <= set(lines(findings, "ok"))
    assert number.updates == []


async def test_numbers_are_set_only_when_asked(deployment: Deployment) -> None:
    """A number whose calls go elsewhere fails with the address it should have; --fix sets it, and the next look is content."""
    async with serving(deployment):
        before = await deployment.examine()
        number = deployment.rest.number("+15550100")
        assert number.updates == []
        fixed = await deployment.examine(fix=True, fallback_url="https://handler.twilio.com/twiml/EH1")
        after = await deployment.examine()
    assert lines(before, "FAIL") == ["number ***0100"] * 2
    assert f"{deployment.url}/twilio/voice" in found(before, "calls go elsewhere").remedy
    assert lines(before, "warn") == ["number ***0100"]
    assert not lines(fixed, "FAIL") + lines(fixed, "warn")
    assert len(number.updates) == 1
    assert number.facts["voice_fallback_url"] == "https://handler.twilio.com/twiml/EH1"
    assert "fallback" in found(fixed, "was set").what
    assert not lines(after, "FAIL") + lines(after, "warn")


@pytest.mark.parametrize("owner", ["voice_application_sid", "trunk_sid"])
async def test_a_number_that_something_else_answers(deployment: Deployment, owner: str) -> None:
    """Where an application or a trunk has the number, the carrier never asks its webhook, right as that may be; --fix frees it."""
    number = deployment.rest.number("+15550100")
    number.facts |= {
        "voice_url": f"{deployment.url}/twilio/voice",
        "status_callback": f"{deployment.url}/twilio/status",
        owner: "AP" + "0" * 32,
    }
    async with serving(deployment):
        before = await deployment.examine()
        await deployment.examine(fix=True)
        after = await deployment.examine()
    assert found(before, "the webhook is not asked").level == "FAIL"
    assert number.facts[owner] == ""
    assert not lines(after, "FAIL")


async def test_a_status_callback_by_get(deployment: Deployment) -> None:
    """The right address by the wrong method is wrong: the bridge takes POST only."""
    number = deployment.rest.number("+15550100")
    number.facts |= {
        "voice_url": f"{deployment.url}/twilio/voice",
        "status_callback": f"{deployment.url}/twilio/status",
        "status_callback_method": "GET",
    }
    async with serving(deployment):
        assert "ends of calls" in next(each.what for each in await deployment.examine() if each.level == "FAIL")
        await deployment.examine(fix=True)
    assert number.facts["status_callback_method"] == "POST"


async def test_a_fix_claims_no_more_than_it_did(deployment: Deployment) -> None:
    """Without --fallback-url the webhook and callback are set, and that there is still no fallback is said, not the contrary."""
    async with serving(deployment):
        fixed = await deployment.examine(fix=True)
    assert "fallback" not in found(fixed, "was set").what
    assert "no fallback URL" in found(fixed, "no fallback URL").what
    assert "voice_fallback_url" not in deployment.rest.number("+15550100").updates[0]


async def test_a_number_that_is_not_ours(deployment: Deployment) -> None:
    """A line whose number the account does not have fails."""
    findings = await deployment.examine(deployment.text.replace('"+15550100"', '"+15550199"'))
    assert "no number of this account" in found(findings, "no number").what


async def test_a_bridge_that_does_not_run(deployment: Deployment) -> None:
    """Where nobody listens at public_url, it and the media socket fail, everything else is still looked at."""
    findings = await deployment.examine()
    assert {"public_url", "media socket"} <= set(lines(findings, "FAIL"))
    assert "carrier" in lines(findings, "ok")


async def test_another_auth_token(deployment: Deployment) -> None:
    """A bridge that runs with another token than the carrier's refuses what is signed: doctor says where to look."""
    async with serving(deployment, token="f" * 31 + "0"):
        findings = await deployment.examine()
    assert "another public_url or auth_token" in found(findings, "a right signature is refused").remedy
    assert found(findings, "a signed upgrade is answered HTTP 403").level == "FAIL"


async def test_a_proxy_that_changes_the_path(deployment: Deployment) -> None:
    """A proxy that strips or adds to the path breaks signatures, and is told apart from a bridge that is gone."""
    behind = free_port()
    proxy = Proxy(deployment.port, behind, replace={b"POST /twilio/": b"POST /app/twilio/"})
    async with serving(deployment, port=behind), proxy:
        findings = await deployment.examine()
    assert "something that is not the bridge" in found(findings, "is answered HTTP 404").what


async def test_a_proxy_without_websockets(deployment: Deployment) -> None:
    """A proxy that does not pass the upgrade on fails with the headers it must pass."""
    behind = free_port()
    proxy = Proxy(deployment.port, behind, replace={b"Upgrade: websocket": b"X-Upgrade: none"})
    async with serving(deployment, port=behind), proxy:
        findings = await deployment.examine()
    assert "Upgrade and Connection" in found(findings, "a signed upgrade is answered HTTP").remedy


async def test_a_proxy_that_cuts_silent_sockets(deployment: Deployment) -> None:
    """A proxy with too short an idle time-out is found, with the time it allows."""
    behind = free_port()
    async with serving(deployment, port=behind), Proxy(deployment.port, behind, cut_after=0.2):
        findings = await deployment.examine()
    assert "proxy_read_timeout" in found(findings, "cuts a silent socket after 0.2 s").remedy


async def test_agents_that_refuse(deployment: Deployment) -> None:
    """An agent's refused key fails under the agent's name, and the key is in no line."""
    text = deployment.text.replace(deployment.xuna.api_key, "xi-not-the-right-one")
    findings = await deployment.examine(text)
    assert "agent support" in lines(findings, "FAIL")
    assert "agent booking" in lines(findings, "ok")
    assert not [each for each in findings if "xi-not-the-right-one" in str(each)]


async def test_the_carrier_refuses(deployment: Deployment) -> None:
    """Wrong credentials of the carrier fail with a remedy, numbers included, and no number or token in full."""
    findings = await deployment.examine(deployment.text.replace(deployment.token, "e" * 31 + "1"))
    assert {"carrier", "numbers"} <= set(lines(findings, "FAIL"))
    assert all(each.remedy for each in findings if each.level != "ok")


async def test_the_database_is_away(deployment: Deployment) -> None:
    """A database that does not answer fails without its password."""
    url = f"postgresql://bridge:s3cret-word@127.0.0.1:{free_port()}/calls"
    text = deployment.text.replace(f"sqlite:///{deployment.folder}/calls.db", url)
    findings = await deployment.examine(text)
    assert "database" in lines(findings, "FAIL")
    assert not [each for each in findings if "s3cret" in str(each)]


async def test_only_the_demo_agent(deployment: Deployment) -> None:
    """A bridge without a carrier is told that it is one for callbridge demo only."""
    findings = await deployment.examine('[agents.demo]\nprovider = "demo"\n[[lines]]\nnumber = "*"\nagent = "demo"\n')
    assert lines(findings, "warn") == ["carrier"]


async def test_words_of_ones_own_that_cannot_be_spoken(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are named where nothing speaks here, with what to install; no line where all words are the bridge's."""
    assert "prompts" not in [each.subject for each in await deployment.examine()]
    text = deployment.text + '\n[prompts]\nfailed = "Leider nein."\n'
    monkeypatch.setattr(within, "speaks", lambda: False)
    findings = await deployment.examine(text)
    assert "prompts" in lines(findings, "warn")
    assert "espeak-ng" in found(findings, "are said in the bridge's own words").remedy
