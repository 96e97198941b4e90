"""Why a call is not placed, before the carrier is asked."""

from __future__ import annotations

from bridge.errors import BridgeError


class Refused(BridgeError):
    """A call that the rules do not allow. ``status`` is what the operator API answers; the text holds no phone number.

    ``retry_after_s``: it may be asked again then; None where that would not help.
    """

    def __init__(self, message: str, *, status: int = 422, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after_s = retry_after_s
