"""Twilio's request signature, from its description: HMAC-SHA1 over the URL and the sorted form."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

Form = Sequence[tuple[str, str]]


def sign(token: str, url: str, form: Form = ()) -> str:
    """The value of X-Twilio-Signature for a URL (its fragment does not count) and the decoded form fields."""
    values: dict[str, set[str]] = {}
    for name, value in form:
        values.setdefault(name, set()).add(value)
    text = url.partition("#")[0] + "".join(name + value for name in sorted(values) for value in sorted(values[name]))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
