"""The front door as the carrier finds it: public_url and the media socket, through whatever proxy stands before us."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Final

from bridge.call.ports import Secret
from bridge.doctor.findings import Finding, fail, ok, warn
from bridge.doctor.probe import Answer, Prober, Unreachable
from bridge.web.answers import Answers

STATUS_PATH: Final = "/twilio/status"
SLOW_S: Final = 2.0  # the carrier waits longer, a caller does not
SILENCE_S: Final = 6.0  # the bridge itself closes a socket that says nothing after 5 s


async def public_url(prober: Prober, url: str, tokens: Sequence[Secret]) -> AsyncIterator[Finding]:
    """Is the bridge there, does it take what is signed, and nothing else?"""
    subject = "public_url"
    target = url + STATUS_PATH
    try:
        answers = [await prober.webhook(target, token.reveal()) for token in tokens]
        stranger = await prober.webhook(target, secrets.token_hex(16))
    except Unreachable as error:
        yield fail(
            subject,
            f"{url} cannot be reached from here: {error}",
            "Is callbridge serve running, and does DNS, firewall and proxy lead to it? Some networks cannot reach their own"
            " public address: then run doctor elsewhere.",
        )
        return
    for place, answer in enumerate(answers):
        which = "" if len(answers) == 1 else f" (token {place + 1} of {len(answers)})"
        yield _judged(subject, url, answer, which)
    if stranger.status != 403:
        yield fail(
            subject,
            f"a wrong signature is answered HTTP {stranger.status}, not 403",
            "Whatever answers there is not the bridge's own check: let the proxy pass /twilio/ on unchanged.",
        )
    slowest = max(answer.seconds for answer in answers)
    if slowest > SLOW_S:
        yield warn(
            subject, f"an answer took {slowest:.1f} s", "Callers hear nothing meanwhile: look at proxy and load."
        )


def _judged(subject: str, url: str, answer: Answer, which: str) -> Finding:
    if answer.status == 400 and answer.ours:
        return ok(subject, f"{url} is reached, and a right signature{which} is taken ({answer.seconds * 1000:.0f} ms)")
    if answer.status == 403 and answer.ours:
        return fail(
            subject,
            f"a right signature{which} is refused",
            "The bridge that answers has another public_url or auth_token than this configuration, or the proxy changes the"
            " path: it must pass path, query and body on unchanged.",
        )
    if 300 <= answer.status < 400:
        return fail(
            subject,
            f"it redirects to {answer.location}",
            "Configure the final address: signatures are made over it, and POSTs do not survive a redirect.",
        )
    if answer.status in (502, 503, 504):
        return fail(
            subject,
            f"the proxy answers HTTP {answer.status}: it does not reach the bridge",
            "Start callbridge serve, and point the proxy's upstream at its address and port.",
        )
    return fail(
        subject,
        f"a right signature{which} is answered HTTP {answer.status} by something that is not the bridge",
        "Let the proxy pass /twilio/ on, without log-in pages, path prefixes or body filters.",
    )


async def media_socket(
    prober: Prober, public: str, media_url: str | None, token: Secret, *, silence_s: float = SILENCE_S
) -> AsyncIterator[Finding]:
    """Do WebSocket upgrades pass, are wrong signatures refused, is nothing compressed, is nothing cut?"""
    subject = "media socket"
    url = Answers(public, media_url).stream_url
    upgrades = "Let the proxy pass Upgrade and Connection headers on for /twilio/media (nginx: proxy_http_version 1.1)."
    try:
        right = await prober.upgrade(url, token.reveal(), patience_s=silence_s)
        wrong = await prober.upgrade(url, secrets.token_hex(16))
    except Unreachable as error:
        yield fail(subject, f"{url} cannot be reached: {error}", "Every call needs it: see DNS, certificate and proxy.")
        return
    if right.status != 101:
        hint = "Check media_url, public_url and auth_token." if right.status == 403 else upgrades
        yield fail(subject, f"a signed upgrade is answered HTTP {right.status}, not 101", hint)
        return
    yield ok(subject, f"{url} opens for a right signature")
    if wrong.status == 403:
        yield ok(subject, "a wrong signature is refused before the upgrade")
    else:
        yield fail(subject, f"a wrong signature is answered HTTP {wrong.status}, not 403", upgrades)
    if right.deflate:
        yield fail(
            subject,
            "permessage-deflate is negotiated by the proxy",
            "Switch WebSocket compression off there: it costs CPU and delay, and sound does not shrink.",
        )
    if right.close_code == 1008:
        yield ok(subject, f"a silent socket is left alone until the bridge itself closes it ({right.lived_s:.1f} s)")
    elif right.close_code is not None:
        yield fail(
            subject,
            f"the proxy cuts a silent socket after {right.lived_s:.1f} s",
            "Raise its idle and read time-outs to 60 s or more (nginx: proxy_read_timeout; HAProxy: timeout tunnel).",
        )
