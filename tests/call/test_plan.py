"""bridge/call/plan.py: who answers, within which limits."""

from bridge.call.plan import Line


def test_a_line_has_a_fallback_where_there_is_something_to_say_or_somebody_to_dial() -> None:
    """Either is enough, neither is none."""
    assert Line("+1555", ("a",), fallback_say="Hold on.").has_fallback
    assert Line("+1555", ("a",), fallback_dial="+1556").has_fallback
    assert not Line("+1555", ("a",)).has_fallback
