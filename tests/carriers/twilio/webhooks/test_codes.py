"""Error codes in words."""

import pytest

from bridge.carriers.twilio.webhooks.codes import explain_code, explain_sip


@pytest.mark.parametrize("code", [0, 20003, 21220, 99999])
def test_every_code_is_explained(code: int) -> None:
    """Any error code and any SIP answer has words."""
    assert explain_code(code).meaning
    assert explain_sip(code % 700).meaning


@pytest.mark.parametrize(
    ("code", "word"), [(20003, "auth_token"), (21215, "geographic"), (11200, "public_url"), (20429, "calls_per_second")]
)
def test_a_known_code_has_a_remedy(code: int, word: str) -> None:
    """Naming the setting, or the place, where it is mended."""
    assert word in explain_code(code).remedy


def test_an_unknown_code_points_to_the_dictionary() -> None:
    """And is told by its number; no code at all points nowhere."""
    assert "99999" in explain_code(99999).meaning
    assert explain_code(99999).remedy.endswith("/99999")
    assert explain_code(0).remedy == ""


def test_an_unknown_answer_of_the_network_is_told_by_its_class() -> None:
    """4xx, 5xx and 6xx differ in who refused."""
    words = [explain_sip(code).meaning for code in (499, 599, 699, 300)]
    assert len(set(words)) == 4
    assert all(str(code) in word for code, word in zip((499, 599, 699, 300), words, strict=True))
    assert explain_sip(486).meaning == "the line is busy"
