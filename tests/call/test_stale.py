"""bridge/call/stale.py: which sound belongs to a turn that was interrupted."""

from bridge.call.stale import MUTE_S, StaleGate


def test_after_an_interruption_without_id_what_was_numbered_before_is_stale() -> None:
    """Sound at or below the highest id received is dropped, the next one is not."""
    gate = StaleGate()
    assert all(gate.admits(number, 0.0) for number in (1, 2, 3))
    gate.interrupted(None)
    assert [gate.admits(number, 0.0) for number in (2, 3, 4)] == [False, False, True]
    assert gate.dropped == 2


def test_after_an_interruption_with_id_only_older_sound_is_stale() -> None:
    """The reply may carry the interruption's own id, and is heard."""
    gate = StaleGate()
    assert gate.admits(4, 0.0)
    gate.interrupted(5)
    assert [gate.admits(number, 0.0) for number in (4, 5, 6)] == [False, True, True]


def test_sound_without_ids_is_never_stale_for_an_interruption() -> None:
    """An agent that numbers nothing is heard after its own interruption."""
    gate = StaleGate()
    assert gate.admits(None, 0.0)
    gate.interrupted(None)
    assert gate.admits(None, 0.0)


def test_unnumbered_sound_of_a_numbering_agent_is_heard() -> None:
    """Sound without an id passes even where other sound had ids."""
    gate = StaleGate()
    gate.admits(3, 0.0)
    gate.interrupted(None)
    assert gate.admits(None, 0.0)


def test_the_threshold_never_moves_back() -> None:
    """An older interruption does not let stale sound in again."""
    gate = StaleGate()
    gate.interrupted(9)
    gate.interrupted(3)
    assert not gate.admits(8, 0.0)


def test_an_agent_told_to_stop_is_silent_until_its_turn_is_complete() -> None:
    """What it still sends of the turn is dropped; the next turn is heard."""
    gate = StaleGate()
    gate.admits(None, 0.0)
    gate.told_to_stop(0.0)
    assert not gate.admits(None, 0.5)
    gate.turn_complete()
    assert gate.admits(None, 0.6)


def test_the_silence_of_an_agent_told_to_stop_has_an_end() -> None:
    """Without turnComplete it is heard again after MUTE_S."""
    gate = StaleGate()
    gate.admits(None, 0.0)
    gate.told_to_stop(0.0)
    assert not gate.admits(None, MUTE_S - 0.01)
    assert gate.admits(None, MUTE_S)


def test_an_agent_that_had_finished_is_not_silenced() -> None:
    """Where the turn was complete already, what comes is the reply."""
    gate = StaleGate()
    gate.admits(None, 0.0)
    gate.turn_complete()
    gate.told_to_stop(0.0)
    assert gate.admits(None, 0.1)


def test_the_agents_own_interruption_ends_the_silence() -> None:
    """An agent that says that it was interrupted has stopped: what comes next is new."""
    gate = StaleGate()
    gate.admits(None, 0.0)
    gate.told_to_stop(0.0)
    gate.interrupted(None)
    assert gate.admits(None, 0.1)


def test_it_knows_whether_the_agent_is_in_a_turn_and_numbers() -> None:
    """From its first sound to the end of its turn the agent is in a turn."""
    gate = StaleGate()
    assert not gate.in_turn
    assert not gate.numbered
    gate.admits(1, 0.0)
    assert gate.in_turn
    assert gate.numbered
    gate.turn_complete()
    assert not gate.in_turn


def test_a_successors_gate_goes_on_counting() -> None:
    """What was dropped of the agents before stays in the count."""
    gate = StaleGate(dropped=7)
    gate.interrupted(5)
    gate.admits(1, 0.0)
    assert gate.dropped == 8
