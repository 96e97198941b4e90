"""A text that is longer than one message may be, in several."""

from __future__ import annotations

from typing import Final

MAX_BODY: Final = 1600  # characters of one message (Messages resource, Body; 21617 beyond)


def portions(body: str, most: int = MAX_BODY) -> list[str]:
    """The messages in their order: parted between words, and within a word only where it is too long for one message.

    Characters count as UTF-16 has them, which is how a phone gets what is not in its own alphabet: an emoji is two.
    """
    found = []
    while (fits := _fitting(body, most)) < len(body):
        # What follows the last space that is there still: the message itself may end just before one.
        space = next((at for at in range(fits, 0, -1) if body[at].isspace()), 0)
        head = body[: space or fits].rstrip()
        if head:
            found.append(head)
        body = body[space or fits :].lstrip()
    return [*found, body] if body or not found else found


def _fitting(body: str, most: int) -> int:
    """How many of its characters make a message."""
    units = 0
    for at, character in enumerate(body):
        units += 2 if character > "\uffff" else 1
        if units > most:
            return at
    return len(body)
