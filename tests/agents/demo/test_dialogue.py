"""What the demo agent says."""

from bridge.agents.demo.dialogue import CONFIRM, HOURS, SLOTS, UNHEARD, Dialogue, from_variables


def test_the_greeting_names_the_last_digits_of_the_caller() -> None:
    """The greeting shows that the agent was told who calls; a withheld number is not mentioned."""
    assert "1 3 4" in Dialogue(phone_number="+15550134").open().text
    assert "number" not in Dialogue().open().text


def test_a_first_message_replaces_the_greeting() -> None:
    """An override is said as it stands."""
    assert from_variables({"phone_number": "+15550134"}, "Good morning.").open().text == "Good morning."


def test_the_script_goes_on_without_words() -> None:
    """A caller whose words are not known hears the script in order, and its last line ends the call."""
    dialogue = Dialogue()
    lines = [dialogue.answer(UNHEARD) for _ in range(4)]
    assert [line.text for line in lines[:3]] == [HOURS, SLOTS, CONFIRM]
    assert [line.last for line in lines] == [False, False, False, True]


def test_words_choose_the_answer() -> None:
    """A caller who asks for something gets it, whatever the script's next line is."""
    dialogue = Dialogue()
    assert dialogue.answer("I would like to book an appointment").text == SLOTS
    assert dialogue.answer("when do you open").text == HOURS


def test_a_key_confirms_where_one_was_asked_for() -> None:
    """Before the question a key is only acknowledged; after it the key books and ends the call."""
    dialogue = Dialogue()
    early = dialogue.key()
    assert early.text.startswith("You pressed a key.")
    assert not early.last
    for _ in range(3):
        dialogue.answer(UNHEARD)
    late = dialogue.key()
    assert late.text.startswith("You pressed a key.")
    assert late.last


def test_a_silent_caller_is_asked_twice_and_then_left() -> None:
    """Two reminders, then goodbye; an answer between them starts the count anew."""
    dialogue = Dialogue()
    dialogue.silence()
    dialogue.answer(UNHEARD)
    assert [dialogue.silence().last for _ in range(3)] == [False, False, True]
