"""What happened in a call, as the caller met it."""

from bridge.phone.report import Kind, Moment, PhoneReport


def test_the_length_of_a_call_is_what_was_heard() -> None:
    """8000 samples are a second; its sound is as long."""
    report = PhoneReport("CA1", heard=b"\xff" * 12_000)
    assert report.duration_s == 1.5
    assert report.sound().seconds == 1.5


def test_only_faults_are_faults() -> None:
    """In their order."""
    report = PhoneReport("CA1")
    report.moments += [Moment(1.0, Kind.FAULT, "a"), Moment(2.0, Kind.DIGIT, "b"), Moment(3.0, Kind.FAULT, "c")]
    assert report.faults == ["a", "c"]
    assert report.public()["faults"] == ["a", "c"]


def test_scripts_get_everything_but_the_sound() -> None:
    """Each figure under its own name."""
    report = PhoneReport("CA1", answered=True, ended_by="caller", answer_ms=1.0, first_word_ms=2.0, heard=b"\xff" * 80)
    report.response_ms, report.interruption_ms = [3.0], [4.0]
    report.marks, report.clears, report.late_ticks, report.dropped = 5, 6, 7, 8
    report.moments.append(Moment(0.126, Kind.STREAM, "open", 9.0))
    assert report.public() == {
        "call_sid": "CA1",
        "answered": True,
        "ended_by": "caller",
        "duration_s": 0.01,
        "latency": {"answer_ms": 1.0, "first_word_ms": 2.0, "response_ms": [3.0], "interruption_ms": [4.0]},
        "marks": 5,
        "clears": 6,
        "faults": [],
        "late_ticks": 7,
        "dropped": 8,
        "moments": [{"at_s": 0.13, "kind": "stream", "text": "open", "ms": 9.0}],
    }


def test_a_moment_is_a_line_for_people() -> None:
    """When, what, in words."""
    assert str(Moment(1.5, Kind.DIGIT, "caller presses 1")).split(maxsplit=2) == ["1.50", "digit", "caller presses 1"]
