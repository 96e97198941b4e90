"""The play-out buffer."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.phone.playout import FRAME, MAX_QUEUED, Playout

A, B = b"\x01" * FRAME, b"\x02" * FRAME


def test_sound_plays_in_order_and_then_silence() -> None:
    """What is queued plays frame by frame, without a seam between chunks, padded with silence at its end."""
    playout = Playout()
    playout.play(A + B[:60])
    playout.play(B[60:] + A[:10])
    assert [playout.tick()[0] for _ in range(4)] == [A, B, A[:10] + b"\xff" * 150, b"\xff" * FRAME]


def test_a_mark_comes_back_when_what_was_before_it_has_played() -> None:
    """A mark returns with the tick that plays the last sound before it; with nothing queued it returns at once."""
    playout = Playout()
    assert playout.mark("now") == ["now"]
    playout.play(A + B)
    assert playout.mark("end") == []
    playout.play(A)
    assert playout.mark("last") == []
    assert [playout.tick()[1] for _ in range(3)] == [[], ["end"], ["last"]]


def test_clear_leaves_silence_and_returns_the_marks() -> None:
    """After a clear nothing plays, every pending mark is back in order, and new sound plays at once."""
    playout = Playout()
    for name in ("one", "two"):
        playout.play(A)
        playout.mark(name)
    assert playout.clear() == ["one", "two"]
    assert playout.queued == 0
    assert playout.tick() == (b"\xff" * FRAME, [])
    playout.play(B)
    assert playout.tick() == (B, [])


def test_the_buffer_is_bounded() -> None:
    """More than the buffer holds is dropped and said so."""
    playout = Playout()
    assert playout.play(bytes(MAX_QUEUED))
    assert not playout.play(b"\0")
    assert playout.queued == MAX_QUEUED


@given(st.lists(st.one_of(st.binary(max_size=500), st.text(max_size=3))))
def test_nothing_is_lost_or_reordered(items: list[bytes | str]) -> None:
    """Whatever is queued, every byte plays and every mark returns, in order, and none before its sound."""
    playout, back, sent, played = Playout(), [], b"", b""
    due: dict[int, int] = {}
    for item in items:
        if isinstance(item, str):
            due[len(due)] = len(sent)
            back += playout.mark(item)
        else:
            sent += item
            playout.play(item)
    while playout.queued or len(back) < len(due):
        left = playout.queued
        frame, marks = playout.tick()
        played += frame[:left]
        assert all(due[len(back) + n] <= len(played) for n in range(len(marks)))
        back += marks
    assert played == sent
    assert back == [item for item in items if isinstance(item, str)]
