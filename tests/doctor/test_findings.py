"""What a check found."""

from bridge.doctor.findings import fail, ok, warn


def test_a_finding_is_a_line_with_its_remedy() -> None:
    """What is well needs none."""
    assert str(ok("disk", "full of room")) == "ok    disk: full of room"
    assert str(warn("disk", "low", "Make room.")) == "warn  disk: low  -> Make room."
    assert str(fail("disk", "empty", "Make room.")) == "FAIL  disk: empty  -> Make room."


def test_scripts_get_small_letters_and_all_of_it() -> None:
    """As JSON."""
    assert fail("a", "b", "c").json() == {"level": "fail", "subject": "a", "what": "b", "remedy": "c"}
    assert ok("a", "b").json()["remedy"] == ""
