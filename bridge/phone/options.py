"""Whom to call, as whom, and with which credentials."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from bridge.errors import BridgeError

ACCOUNT_SID: Final = "AC" + "0" * 31 + "1"


class PhoneFailure(BridgeError):
    """The call could not be placed, or the bridge answered what no carrier understands."""


def call_sid() -> str:
    """A new one: CA and 32 hexadecimal digits."""
    return f"CA{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class PhoneOptions:
    """``url``: where the bridge answers. ``public_url``: what its signatures are checked against, where that differs."""

    url: str = "http://127.0.0.1:8080"
    public_url: str | None = None
    account_sid: str = ACCOUNT_SID
    auth_token: str = field(default="", repr=False)
    from_number: str = "+15550123456"
    to_number: str = "+15550100"
    call_sid: str = field(default_factory=call_sid)
    stream_delay_s: float = 0.25  # from TwiML to the media socket: what a carrier takes
    max_duration_s: float = 300.0
    status_callback: bool = True  # tell /twilio/status of the end
    dial_status: str = "no-answer"  # what becomes of a <Dial>: nobody else is there to answer

    @property
    def signed_origin(self) -> str:
        """The scheme and host over which webhooks are signed."""
        return (self.public_url or self.url).rstrip("/")

    def reach(self, url: str) -> str:
        """Where to connect for a URL that the bridge gave: its public address may not be one that leads here."""
        if self.public_url is None:
            return url
        public = self.public_url.rstrip("/")
        for secure, plain in (("https://", "wss://"), ("http://", "ws://")):
            if public.startswith(secure):
                for given in (public, public.replace(secure, plain, 1)):
                    if url == given or url.startswith((f"{given}/", f"{given}?")):
                        target = self.url.rstrip("/")
                        if given != public:
                            target = target.replace("https://", "wss://", 1).replace("http://", "ws://", 1)
                        return target + url[len(given) :]
        return url
