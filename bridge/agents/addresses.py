"""Which addresses an agent may have: where its API is, and which sockets it may send us to.

A granted socket URL is the word of a stranger, and the caller's voice goes there: it is dialled only where its host is
the configured one or named in ``websocket_hosts``, and only encrypted unless it stays on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from bridge.call.ports import Secret
from bridge.errors import AgentFailure, ConfigurationError, Mistake, Reason

MAX_URL: Final = 8192  # characters; a signed URL has some hundreds


def is_loopback(host: str) -> bool:
    """This machine, by name or by number."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def api_base(url: str, *, name: str, allow_insecure: bool = False) -> str:
    """``base_url`` of the agent ``name`` without a trailing slash. Raises ConfigurationError where it cannot be used."""
    remedy = "Set it to the https address of the agent's API."
    parts = _split(url)
    problem = ""
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        problem = "is no http(s) address"
    elif parts.username is not None or parts.password is not None:
        problem = "holds user information"
    elif parts.scheme == "http" and not (allow_insecure or is_loopback(_host(parts))):
        problem, remedy = (
            "is not encrypted, and requests to it hold the key",
            "Use https, or set allow_insecure = true.",
        )
    if problem:
        raise ConfigurationError([Mistake("configuration", f"agents.{name}.base_url", problem, remedy)])
    return url.rstrip("/")


def socket_url(
    granted: object, *, base_url: str, websocket_hosts: Sequence[str] = (), allow_insecure: bool = False
) -> Secret:
    """The granted socket URL where it may be dialled. Raises AgentFailure (AGENT_BAD_REPLY); no text holds the URL.

    An entry of ``websocket_hosts`` is a host, with a port where only that one is meant; ``.example.com`` (or
    ``*.example.com``) stands for every name below example.com, and not for example.com.
    """
    if not isinstance(granted, str):
        raise refused("grants no socket URL", "Check base_url: is this the agent's API?")
    parts = _split(granted)
    if parts is None or parts.scheme not in ("ws", "wss") or not _host(parts):
        raise refused("grants a socket URL that is no ws(s) address", "Check base_url: is this the agent's API?")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise refused("grants a socket URL with user information or a fragment", "Ask the provider why.")
    host = _host(parts)
    if not _allowed(host, parts.port or (443 if parts.scheme == "wss" else 80), base_url, websocket_hosts):
        raise refused(
            "grants a socket URL on a host that is not its own",
            "Where that host is right, name it in websocket_hosts of this agent.",
        )
    if parts.scheme == "ws" and not (allow_insecure or is_loopback(host)):
        raise refused(
            "grants a socket URL that is not encrypted",
            "Have the provider serve wss, or set allow_insecure = true for this agent.",
        )
    return Secret(granted)


def same_host(url: str, base_url: str) -> bool:
    """Whether ``url`` is an address of the API's own host and scheme, so that the key may go there."""
    parts, base = _split(url), urlsplit(base_url)
    return (
        parts is not None
        and parts.username is None
        and (parts.scheme, parts.netloc.lower()) == (base.scheme, base.netloc.lower())
    )


def refused(problem: str, hint: str) -> AgentFailure:
    """The agent's reply cannot be used."""
    return AgentFailure(f"the agent {problem}", reason=Reason.AGENT_BAD_REPLY, hint=hint)


def _allowed(host: str, port: int, base_url: str, websocket_hosts: Sequence[str]) -> bool:
    own = _host(urlsplit(base_url))
    if host == own or (is_loopback(own) and is_loopback(host)):
        return True
    for entry in websocket_hosts:
        named = _split(f"//{entry}")
        if named is None or named.port not in (None, port):
            continue
        name = _host(named).removeprefix("*")
        below = len(name) > 1 and name.startswith(".")
        if (host.endswith(name) and host != name) if below else host == name:
            return True
    return False


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").lower().rstrip(".")


def _split(url: str) -> SplitResult | None:
    # A backslash, a blank or a control character is read differently by different parsers: none of them is let through.
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or any(char in url for char in ' \\"<>'):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # reading it is what checks it
    except ValueError:
        return None
    return parts
