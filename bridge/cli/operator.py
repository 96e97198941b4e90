"""What commands that speak to a running bridge share: its address, the operator's key, requests, refusals in words."""

from __future__ import annotations

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from bridge.call.ports import Secret
from bridge.errors import BridgeError

TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody with a key, at the operator API of ``url``."""

    url: str
    key: Secret

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, *, wanted: str = ""
    ) -> dict[str, Any]:
        """One request; the JSON that comes back, in which ``wanted`` is a key. Raises BridgeError with the bridge's own words
        and remedy, or where it was no bridge that answered.
        """
        try:
            found = json.loads(self.raw(method, path, body, headers) or b"{}")
        except ValueError:
            found = None
        if not isinstance(found, dict) or (wanted and wanted not in found):
            raise BridgeError(f"what answers at {self.url} is no bridge.", hint="Is --url its own address?")
        return found

    def raw(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
        """The same, as bytes. ``body``: JSON, or bytes of which ``headers`` tell the kind."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            f"{self.url}/api/v1{path}",
            data=data,
            method=method,
            headers={
                "Content-Type": "application/json",
                **(headers or {}),
                "Authorization": f"Bearer {self.key.reveal()}",
            },
        )
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except (urllib.error.URLError, OSError) as error:
            raise BridgeError(
                f"no bridge answers at {self.url} ({type(error).__name__}).", hint="Start one, or give --url."
            ) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def add_operator(parser: argparse.ArgumentParser) -> None:
    """``--url`` and ``--api-key``."""
    parser.add_argument("--url", help="the bridge (default: $BRIDGE_URL, else http://127.0.0.1:$PORT, or 8080)")
    parser.add_argument("--api-key", metavar="KEY", help="better: $BRIDGE_API_KEY, which no list of processes shows")


def operator_of(args: argparse.Namespace) -> Operator:
    """Raises BridgeError where there is no key, or the address is none."""
    url = (args.url or os.environ.get("BRIDGE_URL") or f"http://127.0.0.1:{os.environ.get('PORT') or '8080'}").rstrip(
        "/"
    )
    if urlsplit(url).scheme not in {"http", "https"}:
        raise BridgeError("--url is no address.", hint="Write http://127.0.0.1:8080.")
    key = args.api_key or os.environ.get("BRIDGE_API_KEY") or ""
    if not key:
        raise BridgeError("There is no operator key.", hint="Set BRIDGE_API_KEY to one of [api] keys.")
    return Operator(url, Secret(key))


def _refusal(error: urllib.error.HTTPError) -> BridgeError:
    try:
        body = json.loads(error.read())
        detail, remedy = str(body.get("detail", "")), str(body.get("remedy", ""))
    except (ValueError, AttributeError):
        detail = remedy = ""
    return BridgeError(f"{detail or error.reason} (HTTP {error.code})", hint=remedy)
