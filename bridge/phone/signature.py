"""The carrier's signature of its requests. Source: Twilio "Webhooks security"."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping


def sign(auth_token: str, url: str, fields: Mapping[str, str] | None = None) -> str:
    """HMAC-SHA1 over the URL and, sorted by name, every field's name and value; base64. An upgrade has no fields."""
    text = url + "".join(name + value for name, value in sorted((fields or {}).items()))
    # SHA-1 is what the carrier prescribes; as an HMAC it is not known to be weak.
    return b64encode(hmac.digest(auth_token.encode(), text.encode(), "sha1")).decode()
