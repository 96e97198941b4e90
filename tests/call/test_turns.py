"""bridge/call/turns.py: who said what."""

import pytest

from bridge.call.turns import MAX_TEXT, Turns, words_heard
from tests.call.stage import record


def texts(turns: Turns) -> list[str]:
    """The transcript, a line a turn."""
    return turns.transcript().splitlines()


@pytest.mark.parametrize(
    ("text", "fraction", "heard"),
    [
        ("one two three", 0.0, ""),
        ("one two three", 1.0, "one two three"),
        ("one two three", 2.0, "one two three"),
        ("one two three", 0.5, "one"),
        ("one two three", 0.54, "one two"),
        ("one two three", 0.2, ""),
        ("word", 0.9, ""),
        ("", 0.5, ""),
        ("one two", -1.0, ""),
    ],
)
def test_only_whole_words_count_as_heard(text: str, fraction: float, heard: str) -> None:
    """A word that was cut in the middle was not heard."""
    assert words_heard(text, fraction) == heard


def test_sound_and_text_of_a_turn_find_each_other() -> None:
    """A text that comes after the turn has begun to sound fills it."""
    account = record()
    turns = Turns(account)
    assert turns.agent_sound(0.1) == 1
    turns.agent_text("Hello", 150, final=True)
    assert turns.agent_sound(0.2) == 1
    assert [(turn.text, turn.at_ms) for turn in account.turns] == [("Hello", 100)]


def test_a_second_whole_text_is_a_second_turn() -> None:
    """An agent that speaks twice in a row has two turns, and the sound that follows belongs to the second."""
    turns = Turns(record())
    turns.agent_text("One.", 0, final=True)
    turns.agent_text("Two.", 10, final=True)
    assert turns.agent_sound(0.02) == 2
    assert texts(turns) == ["agent: One.", "agent: Two."]


def test_texts_without_words_are_no_turns() -> None:
    """Transcripts of noise are blank: they neither make a turn nor cut the agent's in two."""
    account = record()
    turns = Turns(account)
    turns.agent_text(" ", 0, final=True)
    assert turns.agent_sound(0.1) == 1
    turns.caller_text(" \n", 200, final=True)
    assert turns.agent_sound(0.3) == 1
    turns.complete("", " ", 400)
    assert [(turn.role, turn.text) for turn in account.turns] == [("agent", "")]


def test_the_callers_words_end_the_agents_turn() -> None:
    """Sound after them belongs to the next turn."""
    turns = Turns(record())
    turns.agent_sound(0)
    turns.caller_text("Yes", 10, final=True)
    assert turns.agent_sound(0.02) == 2


def test_pieces_grow_whether_new_or_repeated() -> None:
    """Some agents send what is new, others all that they have sent so far."""
    turns = Turns(record())
    turns.agent_text("Hel", 0, final=False)
    turns.agent_text("lo ", 0, final=False)
    turns.agent_text("Hello there", 0, final=False)
    assert texts(turns) == ["agent: Hello there"]


def test_the_callers_guess_becomes_the_final_text() -> None:
    """Guesses are one turn, and the last word replaces them."""
    account = record()
    turns = Turns(account)
    turns.caller_text("I want", 5, final=False)
    turns.caller_text("I went to", 6, final=True)
    assert [(turn.role, turn.text, turn.at_ms) for turn in account.turns] == [("caller", "I went to", 5)]


def test_an_interrupted_turn_keeps_what_was_heard() -> None:
    """heard holds the words that fit into the sound that was played; the text stays whole."""
    account = record()
    turns = Turns(account)
    turns.agent_text("one two three four", 0, final=True)
    turns.agent_sound(0)
    turns.interrupted({1: 0.5})
    turn = account.turns[0]
    assert (turn.text, turn.heard, turn.interrupted) == ("one two three four", "one two", True)
    assert turns.agent_sound(0.009) == 2


def test_a_text_that_comes_after_the_cut_is_cut_too() -> None:
    """Pieces of the interrupted turn that come late go to it, as far as they were heard."""
    account = record()
    turns = Turns(account)
    turns.agent_sound(0)
    turns.interrupted({1: 0.5})
    turns.agent_text("one two three four", 5, final=False)
    assert len(account.turns) == 1
    assert account.turns[0].heard == "one two"


def test_a_turn_that_was_cut_stays_cut() -> None:
    """A second interruption does not give back words that were not heard."""
    account = record()
    turns = Turns(account)
    turns.agent_text("one two three four", 0, final=True)
    turns.interrupted({1: 0.3})
    turns.interrupted({1: 1.0})
    assert account.turns[0].heard == "one"


def test_the_agents_own_correction_counts() -> None:
    """Where the agent says what was heard of a turn, that stands in the record."""
    account = record()
    turns = Turns(account)
    turns.agent_text("one two three", 0, final=True)
    turns.agent_corrected("one two three", "one...")
    assert (account.turns[0].heard, account.turns[0].interrupted) == ("one...", True)


def test_a_correction_of_nothing_known_is_ignored() -> None:
    """A correction whose original nobody said changes nothing."""
    account = record()
    turns = Turns(account)
    turns.agent_text("one", 0, final=True)
    turns.agent_corrected("two", "t...")
    assert account.turns[0].heard is None


def test_a_complete_exchange_puts_the_caller_first() -> None:
    """The caller's words come before the agent's answer that was sounding already."""
    turns = Turns(record())
    turns.agent_sound(0.1)
    turns.complete("What time is it?", "It is noon.", 900)
    assert texts(turns) == ["caller: What time is it?", "agent: It is noon."]


def test_a_complete_exchange_fills_the_turn_that_was_cut() -> None:
    """The full text of an interrupted turn arrives when the agent closes it."""
    account = record()
    turns = Turns(account)
    turns.agent_sound(0)
    turns.interrupted({1: 0.5})
    turns.complete("", "one two three four", 50)
    assert [(turn.text, turn.heard) for turn in account.turns] == [("one two three four", "one two")]


def test_a_complete_exchange_without_sound_is_still_told() -> None:
    """Texts that came alone become turns."""
    turns = Turns(record())
    turns.complete("Hi", "Hello", 5)
    assert texts(turns) == ["caller: Hi", "agent: Hello"]


def test_a_successor_does_not_go_on_with_its_predecessors_turn() -> None:
    """What another agent says is a turn of its own."""
    turns = Turns(record())
    turns.agent_text("I was just", 0, final=True)
    turns.agent_changed()
    assert turns.agent_sound(0.01) == 2


def test_the_transcript_tells_what_was_heard() -> None:
    """A successor is told what the caller heard, and not what was meant."""
    turns = Turns(record())
    turns.agent_text("one two three four", 0, final=True)
    turns.interrupted({1: 0.5})
    turns.caller_text("Stop", 10, final=True)
    assert texts(turns) == ["agent: one two", "caller: Stop"]


def test_texts_are_bounded() -> None:
    """No agent fills the memory with one turn."""
    account = record()
    turns = Turns(account)
    turns.agent_text("x" * MAX_TEXT, 0, final=False)
    turns.agent_text("y" * MAX_TEXT, 0, final=False)
    turns.caller_text("z" * (MAX_TEXT + 1), 0, final=True)
    assert [len(turn.text) for turn in account.turns] == [MAX_TEXT, MAX_TEXT]
