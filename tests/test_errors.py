"""The exception tree and the closed list of reasons."""

import pytest

from bridge.errors import Class, ConfigurationError, Mistake, Reason, Side


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_names_a_side_and_a_class(reason: Reason) -> None:
    """A reason read back from a record knows whose end it was and of what kind."""
    assert Reason(str(reason)) is reason
    assert isinstance(reason.side, Side)
    assert isinstance(reason.class_, Class)


def test_a_configuration_error_lists_every_mistake() -> None:
    """All mistakes are reported at once, each with its place, key and remedy."""
    error = ConfigurationError(
        [
            Mistake("bridge.toml", "public_url", "is missing", "Set it to the https address that the carrier calls."),
            Mistake("environment", "BRIDGE_API__KEYS", "is blank", "Set a key of 16 characters or more."),
        ]
    )
    assert str(error).splitlines() == [
        "bridge.toml: public_url: is missing. Set it to the https address that the carrier calls.",
        "environment: BRIDGE_API__KEYS: is blank. Set a key of 16 characters or more.",
    ]
