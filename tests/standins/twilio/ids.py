"""Twilio's identifiers and dates."""

import secrets
from datetime import UTC, datetime
from email.utils import format_datetime


def sid(prefix: str) -> str:
    """`CA`, `MZ`, `RE`... and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def rfc2822() -> str:
    """Now."""
    return format_datetime(datetime.now(UTC))
