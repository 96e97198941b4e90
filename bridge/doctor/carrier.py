"""The carrier's side: the account, the clock, and where the calls of our numbers are sent."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from bridge import settings as config
from bridge.carriers.twilio.rest import NumberFacts, TwilioRest
from bridge.doctor.findings import Finding, fail, ok, warn
from bridge.errors import CarrierFailure

SUBJECT: Final = "carrier"
OWNERS: Final = {
    "VoiceApplicationSid": "a TwiML application",
    "TrunkSid": "a SIP trunk",
    "SmsApplicationSid": "a TwiML application for messages",
}
CLOCK_WARN_S: Final = 5.0
CLOCK_FAIL_S: Final = 60.0  # a grant lives so long, and tokens of other services are judged by the clock too


async def account(rest: TwilioRest) -> AsyncIterator[Finding]:
    """Are the credentials taken?"""
    try:
        yield ok(SUBJECT, await rest.check())
    except CarrierFailure as failure:
        yield fail(SUBJECT, str(failure), failure.hint or "Check account_sid and auth_token of [carriers.twilio].")


async def clock(twilio: config.TwilioSettings) -> AsyncIterator[Finding]:
    """Our clock against the carrier's Date header."""
    url = f"{twilio.api_base_url.rstrip('/')}/2010-04-01/Accounts/{twilio.account_sid}.json"
    auth = {"Authorization": aiohttp.encode_basic_auth(twilio.account_sid, twilio.auth_token[0].reveal())}
    limit = aiohttp.ClientTimeout(total=twilio.timeout_s)
    try:
        async with aiohttp.ClientSession(timeout=limit) as http:
            before = time.time()
            async with http.get(url, headers=auth, allow_redirects=False) as answer:
                after = time.time()
                there = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        yield warn(
            "clock", "could not be compared: the carrier's API gave no date", "Look at the carrier's line above."
        )
        return
    # The header has whole seconds, cut off: the truth lies within the second after it.
    skew = max(0.0, before - (there + 1.0), there - after)
    if skew > CLOCK_FAIL_S:
        yield fail("clock", f"it is {skew:.0f} s off the carrier's", "Run a time service: chrony or systemd-timesyncd.")
    elif skew > CLOCK_WARN_S:
        yield warn("clock", f"it is {skew:.0f} s off the carrier's", "Run a time service: chrony or systemd-timesyncd.")
    else:
        yield ok("clock", "it agrees with the carrier's within seconds")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the calls of our numbers should go. ``fallback_url``: for ``--fix``; None leaves what there is."""

    public_url: str
    fallback_url: str | None = None

    @property
    def voice(self) -> str:
        """The webhook."""
        return f"{self.public_url}/twilio/voice"

    @property
    def status(self) -> str:
        """The status callback."""
        return f"{self.public_url}/twilio/status"

    @property
    def sms(self) -> str:
        """Where messages go, for lines that answer them."""
        return f"{self.public_url}/twilio/sms"


async def numbers(
    rest: TwilioRest, lines: tuple[config.Line, ...], wanted: Wanted, *, fix: bool
) -> AsyncIterator[Finding]:
    """Are webhook, status callback and fallback of every line as they should be? ``fix`` sets what is not."""
    try:
        facts = {each.number: each for each in await rest.numbers()}
    except CarrierFailure as failure:
        yield fail("numbers", f"cannot be looked up: {failure}", failure.hint)
        return
    named = [line for line in lines if line.number != "*"]
    for line in named:
        subject = f"number ***{line.number[-4:]}"
        fact = facts.get(line.number)
        if fact is None:
            yield fail(subject, "is no number of this account", "Buy or import it there, or take the line out.")
            continue
        async for finding in _number(rest, subject, fact, line, wanted, fix=fix):
            yield finding
    if len(named) < len(lines):
        here = sum(each.voice_url == wanted.voice for each in facts.values())
        others = len(facts) - here
        if here:
            yield ok("numbers", f"{here} of the account's numbers send their calls here, {others} elsewhere")
        else:
            yield warn(
                "numbers",
                'the line "*" takes any number, but none of the account sends its calls here',
                f"Set a number's voice webhook to {wanted.voice} (POST), or name it in [[lines]] and run doctor --fix.",
            )


async def _number(
    rest: TwilioRest, subject: str, fact: NumberFacts, line: config.Line, wanted: Wanted, *, fix: bool
) -> AsyncIterator[Finding]:
    owners = [each for each in fact.owners if each != "SmsApplicationSid" or line.text_agent]
    wrong = [(f"the webhook is not asked: {OWNERS[each]} has it", "take it out of the number") for each in owners]
    if fact.voice_url != wanted.voice or fact.voice_method.upper() != "POST":
        wrong.append(("calls go elsewhere", f"the voice webhook should be POST {wanted.voice}"))
    if fact.status_callback != wanted.status or fact.status_method.upper() != "POST":
        wrong.append(("ends of calls are not told here", f"the status callback should be POST {wanted.status}"))
    if line.text_agent and (fact.sms_url != wanted.sms or fact.sms_method.upper() != "POST"):
        wrong.append(("messages go elsewhere", f"the messaging webhook should be POST {wanted.sms}"))
    no_fallback = not _elsewhere(fact.voice_fallback_url, wanted.public_url)
    sets_fallback = no_fallback and wanted.fallback_url is not None
    if fix and (wrong or sets_fallback):
        try:
            await rest.configure_number(
                fact.number_sid,
                voice_url=wanted.voice,
                status_callback=wanted.status,
                sms_url=wanted.sms if line.text_agent else None,
                voice_fallback_url=wanted.fallback_url if sets_fallback else None,
                free=owners,
            )
        except CarrierFailure as failure:
            yield fail(subject, f"could not be set: {failure}", failure.hint)
            return
        yield ok(
            subject,
            f"was set: its calls{' (and its fallback)' if sets_fallback else ''} and their ends go where they should",
        )
        wrong, no_fallback = [], no_fallback and not sets_fallback
    elif not wrong:
        yield ok(subject, "its calls and their ends are sent here")
    for what, remedy in wrong:
        yield fail(subject, what, f"In the carrier's console {remedy}; callbridge doctor --fix does it.")
    if no_fallback:
        yield warn(
            subject,
            "it has no fallback URL of its own: callers hear an error while no instance answers",
            "Put words or a <Dial> into a TwiML Bin and run callbridge doctor --fix --fallback-url ITS-URL.",
        )


def _elsewhere(fallback: str, public_url: str) -> bool:
    """A fallback that leads to the bridge itself is none."""
    return bool(fallback) and urlsplit(fallback).netloc != urlsplit(public_url).netloc
