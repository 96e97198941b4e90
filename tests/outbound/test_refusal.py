"""A call that the rules do not allow."""

import pytest

from bridge.errors import BridgeError
from bridge.outbound.refusal import Refused


def test_a_refusal_is_the_askers_fault_and_final_unless_told_otherwise() -> None:
    """422 without a time to come again: asking again would not help."""
    refused = Refused("no")
    assert (refused.status, refused.retry_after_s, refused.hint) == (422, None, "")


def test_a_refusal_tells_why_when_and_what_to_do() -> None:
    """All of it comes through to whoever answers the request."""
    with pytest.raises(BridgeError, match="too many") as caught:
        raise Refused("too many", status=429, hint="Wait.", retry_after_s=5)
    assert isinstance(caught.value, Refused)
    assert (caught.value.status, caught.value.retry_after_s, caught.value.hint) == (429, 5, "Wait.")
