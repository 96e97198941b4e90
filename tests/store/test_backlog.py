"""What is still to be written."""

from collections.abc import Callable

from bridge.call.record import CallRecord, Status, Turn
from bridge.store.backlog import Backlog
from bridge.store.document import restore, snapshot

Make = Callable[..., CallRecord]


def talk(record: CallRecord, size: int = 1000) -> CallRecord:
    """With a transcript."""
    record.add_turn(Turn("caller", "x" * size, 0))
    return record


def test_a_record_is_read_as_it_is_when_its_turn_comes(make: Make) -> None:
    """Changed three times, it waits once, and keeps its place."""
    backlog = Backlog()
    first, second = make("call_1"), make("call_2")
    for record in (first, second, first):
        backlog.put(record)
    assert len(backlog) == 2
    assert backlog.next_live() is first
    assert backlog.next_live() is second
    assert backlog.next_live() is None
    assert len(backlog) == 0


def test_a_call_that_waits_in_both_places_is_one(make: Make) -> None:
    """A snapshot not yet written, and a change since."""
    backlog = Backlog()
    backlog.hold(snapshot(make("call_1")))
    backlog.put(make("call_1"))
    backlog.put(make("call_2"))
    assert len(backlog) == 2


def test_snapshots_are_written_in_the_order_they_came(make: Make) -> None:
    """A newer one of the same call takes the older one's place."""
    backlog = Backlog()
    backlog.hold(snapshot(make("call_1")))
    backlog.hold(snapshot(make("call_2")))
    newer = snapshot(make("call_1", status=Status.RINGING))
    backlog.hold(newer)
    assert [each.call_id for each in backlog] == ["call_1", "call_2"]
    assert backlog.first(1) == [newer]


def test_what_came_while_it_was_written_stays(make: Make) -> None:
    """Only the very snapshot that was written is settled."""
    backlog = Backlog()
    old, new = snapshot(make("call_1")), snapshot(make("call_1", status=Status.RINGING))
    backlog.hold(old)
    backlog.hold(new)
    backlog.settle(old)
    assert list(backlog) == [new]
    backlog.settle(new)
    backlog.settle(new)
    assert len(backlog) == 0


def test_the_oldest_transcripts_go_before_any_record(make: Make) -> None:
    """Each loss is counted, and the record says how much of it is gone."""
    one = snapshot(talk(make("call_1")))
    backlog = Backlog(max_bytes=3 * one.weight - 500)
    for number in (1, 2, 3):
        backlog.hold(snapshot(talk(make(f"call_{number}"))))
    assert [each.has_transcript for each in backlog] == [False, True, True]
    assert (backlog.lost_transcripts, backlog.lost_records) == (1, 0)
    assert restore(backlog.first(1)[0].document).dropped == 1


def test_records_go_oldest_first_where_no_transcript_is_left(make: Make) -> None:
    """By bytes and by number."""
    bare = snapshot(make("call_1"))
    backlog = Backlog(max_bytes=2 * bare.weight + 10)
    for number in (1, 2, 3):
        backlog.hold(snapshot(make(f"call_{number}")))
    assert [each.call_id for each in backlog] == ["call_2", "call_3"]
    assert (backlog.lost_transcripts, backlog.lost_records) == (0, 1)
    few = Backlog(max_records=2)
    for number in (1, 2, 3):
        few.hold(snapshot(make(f"call_{number}")))
    assert [each.call_id for each in few] == ["call_2", "call_3"]
    assert few.lost_records == 1


def test_live_records_are_bounded_too(make: Make) -> None:
    """The one that was changed longest ago is lost, and counted."""
    backlog = Backlog(max_records=2)
    for number in (1, 2, 3):
        backlog.put(make(f"call_{number}"))
    assert backlog.lost_records == 1
    assert [record.call_id for record in (backlog.next_live(), backlog.next_live()) if record] == ["call_2", "call_3"]


def test_room_that_was_freed_can_be_used_again(make: Make) -> None:
    """What is settled or replaced weighs nothing: a long night of calls loses none."""
    one = snapshot(talk(make("call_1")))
    backlog = Backlog(max_bytes=one.weight + 100)
    for _ in range(20):
        again = snapshot(talk(make("call_1")))
        backlog.hold(again)
        backlog.hold(snapshot(talk(make("call_1"))))
        for each in backlog.first(9):
            backlog.settle(each)
    assert (backlog.lost_transcripts, backlog.lost_records) == (0, 0)


def test_a_record_that_waits_is_found_by_either_id(make: Make) -> None:
    """The live one before its older snapshot; nobody waits for the database to read it."""
    backlog = Backlog()
    backlog.hold(snapshot(make("call_1", carrier_call_id="CA1")))
    for any_id in ("call_1", "CA1"):
        found = backlog.find(any_id)
        assert found is not None
        assert found.call_id == "call_1"
    live = make("call_1", carrier_call_id="CA1", status=Status.RINGING)
    backlog.put(live)
    assert backlog.find("CA1") is live
    assert backlog.find("call_2") is None
