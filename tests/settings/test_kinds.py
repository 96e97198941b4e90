"""Secrets that nobody filled in, and the shapes of names and numbers."""

import pytest

from bridge.settings.kinds import NotSample, Range, SigningSecret, Zone, blemish, is_sample


@pytest.mark.parametrize(
    "text",
    [
        *(
            "your_auth_token",
            "YOUR_API_KEY",
            "your-agent-id",
            "your_api_key_here",
            "changeme",
            "CHANGE_ME",
            "change-this-key",
        ),
        *(
            "xxxx",
            "kura_live_xxx",
            "kura_live_xxxxxxxxxxxxxxxxxx",
            "whsec_...",
            "whsec_xxxxxxxx",
            "<api key>",
            "${KEY}",
        ),
        *("secret", "password", "TOKEN", "***", "replace-me", "insert your key here", "placeholder"),
    ],
)
def test_samples_are_known(text: str) -> None:
    """What documents show in place of a secret is no secret."""
    assert is_sample(text)
    assert blemish(text) is not None
    assert NotSample().complain(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "kura_live_5f0e9d",
            "test-token",
            "a" * 32,
            "0" * 32,
            "agent_exchange_in_house",
        ),
        *("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secret-of-the-clinic", "agent_7101k5zvyjhmfg983brhmhkd98n6"),
    ],
)
def test_secrets_are_not_taken_for_samples(text: str) -> None:
    """What somebody chose passes, also where it is plain."""
    assert blemish(text) is None


@pytest.mark.parametrize("text", ["", "  ", "x", "key-with-newline\n", " key-1", "kéy-12", "key\x00two", "a\r\nb: c"])
def test_secrets_that_cannot_be_sent(text: str) -> None:
    """Blank and single characters, and what would break a header, are complained of."""
    assert blemish(text) is not None


@pytest.mark.parametrize(
    "text",
    ["whsec_", "whsec_***", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_YWJj", "whsec_MfKQ9r8", "whsec_" + "QUFB" * 40],
)
def test_signing_secrets_that_cannot_sign(text: str) -> None:
    """Without prefix, not base64, too short or too long."""
    assert SigningSecret().complain(text) is not None


def test_a_signing_secret() -> None:
    """The form of Standard Webhooks is taken."""
    assert SigningSecret().complain("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") is None


def test_ranges_leave_out_what_is_no_number() -> None:
    """Both ends are included; NaN and the infinities never."""
    assert [value for value in (0, 1, 0.5) if Range(0, 1).complain(value)] == []
    assert [value for value in (-0.1, 1.1, float("inf"), float("nan")) if not Range(0, 1).complain(value)] == []


@pytest.mark.parametrize(
    ("zone", "known"),
    [("Europe/Berlin", True), ("UTC", True), ("Europe", False), ("../etc/passwd", False), ("", False)],
)
def test_zones(zone: str, *, known: bool) -> None:
    """A zone is a file of the zone database and nothing else."""
    assert (Zone().complain(zone) is None) is known
