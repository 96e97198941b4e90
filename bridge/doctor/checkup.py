"""Every check, side by side, their findings in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from bridge import settings as config
from bridge.carriers.twilio.rest import TwilioRest
from bridge.doctor import carrier, front, within
from bridge.doctor.findings import Finding, fail, ok, warn
from bridge.doctor.probe import Prober

LIMIT_S: Final = 30.0  # of one check: a script waits for all of them


async def checkup(settings: config.Settings, *, fix: bool = False, fallback_url: str | None = None) -> list[Finding]:
    """All findings. Takes LIMIT_S at most."""
    findings = [ok("configuration", f"{len(settings.agents)} agents, {len(settings.lines)} lines")]
    findings += [warn("configuration", words, "See config/bridge.example.toml.") for words in settings.warnings]
    checks = [
        within.database(settings),
        within.disk(settings),
        within.announcements(settings),
        within.prompts(settings),
    ]
    checks += [within.agent(name, each) for name, each in settings.agents.items()]
    twilio = settings.carriers.twilio
    async with Prober() as prober:
        if twilio is None or settings.public_url is None:
            findings.append(
                warn(
                    "carrier",
                    "none is configured: callbridge demo does without, callbridge serve does not",
                    "Set public_url and [carriers.twilio].",
                )
            )
            return findings + await _all(checks)
        rest = TwilioRest(
            twilio.account_sid, twilio.auth_token[0], api_base_url=twilio.api_base_url, timeout_s=twilio.timeout_s
        )
        wanted = carrier.Wanted(settings.public_url, fallback_url)
        checks += [
            carrier.account(rest),
            carrier.clock(twilio),
            carrier.numbers(rest, settings.lines, wanted, fix=fix),
            front.public_url(prober, settings.public_url, twilio.auth_token),
            front.media_socket(prober, settings.public_url, settings.media_url, twilio.auth_token[0]),
        ]
        try:
            return findings + await _all(checks)
        finally:
            await rest.close()


async def _all(checks: list[AsyncIterator[Finding]]) -> list[Finding]:
    found = await asyncio.gather(*(_collect(check) for check in checks))
    return [finding for each in found for finding in each]


async def _collect(check: AsyncIterator[Finding]) -> list[Finding]:
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(LIMIT_S):
            findings.extend([finding async for finding in check])
    except TimeoutError:
        findings.append(fail(getattr(check, "__name__", "check"), f"no result within {LIMIT_S:g} s", "Run it again."))
    return findings
