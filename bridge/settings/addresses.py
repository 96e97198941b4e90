"""URLs in the configuration: which are well-formed, which are safe to call in plain text, and which never are."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from bridge.settings.kinds import Complaint

_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_METADATA_NAMES: Final = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA: Final = tuple(
    ipaddress.ip_network(net)
    for net in (
        "169.254.0.0/16",  # RFC 3927, and most clouds' metadata
        "fe80::/10",  # RFC 4291, 2.5.6
        "fd00:ec2::/32",  # AWS: fd00:ec2::254 and its neighbours
        "fd20:ce::254/128",  # Google Cloud
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
        "0.0.0.0/8",  # "this host": some systems connect it to themselves
        "::/128",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "ff00::/8",
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Address:
    """A URL with one of ``schemes``. ``plain`` says where a scheme without TLS may stand: "loopback" or "anywhere".

    ``public_only`` refuses link-local and metadata addresses, in every spelling of them. User information and
    fragments are always refused, a query unless ``query``.
    """

    schemes: tuple[str, ...]
    plain: str = "loopback"
    query: bool = False
    public_only: bool = False

    def complain(self, value: str) -> Complaint | None:
        """None where the URL may be used."""
        secure = " or ".join(f"{scheme}://..." for scheme in self.schemes)
        # urlsplit drops tabs and line breaks silently, and "\" is "/" to some clients
        if not value or not value.isascii() or re.search(r"[\x00-\x20\x7f\\]", value):
            return Complaint("is not a URL", f"Write {secure}, without spaces, other letters percent-encoded.")
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018 raises ValueError where there is no such port
        except ValueError:
            return Complaint("is not a URL", f"Write {secure}.")
        if parts.scheme not in self.schemes:
            return Complaint("has the wrong scheme", f"Write {secure}.")
        return self._complain_of_parts(value, parts)

    def _complain_of_parts(self, value: str, parts: SplitResult) -> Complaint | None:
        host = parts.hostname or ""
        if "@" in parts.netloc:
            return Complaint(
                "holds user information", "Take out what stands before the @: it would be sent and logged."
            )
        if not (numeric(host) if ":" in host else _HOST.fullmatch(host)):
            return Complaint("has no valid host", "Write the name or address of the host after the scheme.")
        if "#" in value or ("?" in value and not self.query):
            return Complaint("holds a query or a fragment", "Leave out everything from ? or # on.")
        if self.public_only and is_forbidden(host):
            return Complaint("is a link-local or metadata address", "Name the business system's own address.")
        if self.plain == "loopback" and parts.scheme in {"http", "ws"} and not is_loopback(host):
            secure = {"http": "https", "ws": "wss"}[parts.scheme]
            return Complaint("is not encrypted", f"Use {secure}://; without TLS only loopback addresses may be used.")
        return None


def numeric(host: str) -> list[Ip]:
    """Every address that a literal host stands for, embedded IPv4 included; none where it is a name.

    The old forms (0xA9FEA9FE, 2852039166, 169.254.43518) count: the resolver of the C library takes them.
    """
    host = host.split("%", 1)[0].rstrip(".")
    try:
        address: Ip = ipaddress.ip_address(host)
    except ValueError:
        try:
            return [ipaddress.IPv4Address(socket.inet_aton(host))]
        except OSError:
            return []
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    found: list[Ip] = [address]
    if address.ipv4_mapped:
        found.append(address.ipv4_mapped)
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if address in _NAT64 or 1 < int(address) < 1 << 32:  # the second: IPv4-compatible, RFC 4291, 2.5.5.1
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


def is_forbidden(host: str) -> bool:
    """Link-local, a cloud's metadata service, multicast or no address at all: never called for anybody."""
    name = host.rstrip(".").lower()
    if (
        name in _METADATA_NAMES
        or name.endswith((".metadata.google.internal", ".metadata.goog"))
        or name.startswith("instance-data.")
    ):
        return True
    return any(
        address in network for address in numeric(host) for network in _METADATA if address.version == network.version
    )


def is_loopback(host: str) -> bool:
    """This machine itself: localhost (RFC 6761, 6.3), 127.0.0.0/8, ::1."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return any(
        address.is_loopback
        or (
            isinstance(address, ipaddress.IPv6Address) and bool(address.ipv4_mapped and address.ipv4_mapped.is_loopback)
        )
        for address in numeric(host)[:1]
    )


class DatabaseUrl:
    """``sqlite:///file`` or ``postgresql://...``. It may hold a password, so it is kept as a Secret."""

    def complain(self, value: str) -> Complaint | None:
        """None where the store can be told from it."""
        remedy = "Write sqlite:///var/callbridge.db or postgresql://user:password@host/name."
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018 raises ValueError where there is no such port
        except ValueError:
            return Complaint("is not a URL", remedy)
        if parts.scheme == "sqlite":
            if parts.netloc or len(parts.path) < 2:
                return Complaint("names no file", remedy)
        elif parts.scheme in {"postgresql", "postgres"}:
            if not parts.path.strip("/"):
                return Complaint("names no database", remedy)
        else:
            return Complaint("names no database system that is supported", remedy)
        return None


class Network:
    """An IP address or a network in CIDR notation."""

    def complain(self, value: str) -> Complaint | None:
        """None where it is one."""
        try:
            ipaddress.ip_network(value)
        except ValueError:
            return Complaint(
                "is neither an address nor a network", 'Write "10.0.0.5" or "10.0.0.0/8" (no bits beyond it).'
            )
        return None
