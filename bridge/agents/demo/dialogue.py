"""What the demo agent says: a small script about an appointment. Pure: words in, words out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

UNHEARD: Final = "(speech)"  # the caller said something, and nobody is here to make words of it
DIGITS_READ: Final = 3  # of the caller's number
MAX_REMINDERS: Final = 2  # "are you still there", before the agent gives up

HOURS: Final = "We are open from nine in the morning to six, Monday to Friday. Would you like to make an appointment?"
SLOTS: Final = (
    "Gladly. This week there is Tuesday at nine, Wednesday at a quarter past two, Thursday at half past ten, "
    "Friday at noon, and Friday at half past four. Which of them would suit you best?"
)
CONFIRM: Final = "Thursday at half past ten it is. Please press any key to confirm."
MOVE: Final = "Of course. " + SLOTS.removeprefix("Gladly. ")
CANCELLED: Final = "Your appointment is cancelled. Is there anything else?"
PERSON: Final = "I will connect you with a person. One moment, please."
GOODBYE: Final = "Thank you for calling. Goodbye."
FAILED: Final = "I am sorry, I cannot reach the calendar. Please call again later. Goodbye."
TIMES: Final = {  # what is free, and the words for it
    "tuesday": "at nine",
    "wednesday": "at a quarter past two",
    "thursday": "at half past ten",
    "friday": "at noon",
}
BOOKED: Final = "Your appointment is booked. Thank you for calling. Goodbye."
SCRIPT: Final = (HOURS, SLOTS, CONFIRM, BOOKED)
KEYWORDS: Final = (
    (("hour", "open", "close", "when"), 0),
    (("appointment", "book", "visit"), 1),
    (("monday", "tuesday", "wednesday", "thursday", "friday", "noon"), 2),
    (("bye", "confirm", "yes", "right"), 3),
)


@dataclass(frozen=True, slots=True)
class Line:
    """Something to say. ``last``: the agent hangs up after it."""

    text: str
    last: bool = False
    tool: str = ""  # to be used before it is said; then it is said only where that went well
    arguments: dict[str, str] = field(default_factory=dict)


class Dialogue:
    """Where the conversation stands. ``phone_number``: the caller's, "" where withheld; ``greeting``: instead of its own.

    ``calendar``: there are tools that book and cancel, and that connect with a person; without, it is only said.
    """

    def __init__(self, *, phone_number: str = "", greeting: str | None = None, calendar: bool = False) -> None:
        self._calendar = calendar
        self._slot = ("thursday", TIMES["thursday"])
        self._number = phone_number
        self._greeting = greeting
        self._step = 0
        self._reminders = 0

    def open(self) -> Line:
        """The greeting."""
        if self._greeting:
            return Line(self._greeting)
        digits = "".join(character for character in self._number if character.isdigit())
        caller = f"Your number ends in {' '.join(digits[-DIGITS_READ:])}. " if len(digits) >= DIGITS_READ else ""
        return Line(f"Hello, this is the Callbridge demo. {caller}How can I help you?")

    @property
    def expecting(self) -> str:
        """Which question the caller has been asked: the name of a grammar."""
        return {2: "day", 3: "confirm"}.get(self._step, "intent")

    def answer(self, text: str) -> Line:
        """The answer to what the caller said: by its words where they are known, else the script's next line."""
        self._reminders = 0
        said = text.lower()
        if "cancel" in said:
            return self._using(Line(CANCELLED), "cancel_appointment")
        if "move" in said or "change" in said:
            self._step = 2
            return Line(MOVE)
        if "person" in said or "somebody" in said or "human" in said:
            return self._using(Line(PERSON, last=True), "transfer_call", to="reception")
        if self._step == len(SCRIPT) - 1 and ("no" in said.split() or "wrong" in said):
            self._step = 2
            return Line(SLOTS)
        if "goodbye" in said:
            return Line(GOODBYE, last=True)
        for day in TIMES:
            if day in said:
                self._slot = (day, "at half past four" if "half past four" in said else TIMES[day])
        for words, step in KEYWORDS:
            if any(word in said for word in words):
                return self._line(step)
        return self._line(self._step)

    def key(self) -> Line:
        """The answer to a key."""
        self._reminders = 0
        if self._step == len(SCRIPT) - 1:
            line = self._line(self._step)
            return replace(line, text=f"You pressed a key. {line.text}")
        return Line("You pressed a key. Please tell me how I can help you.")

    def silence(self) -> Line:
        """The caller has said nothing for a while."""
        self._reminders += 1
        if self._reminders > MAX_REMINDERS:
            return Line("I cannot hear you. Please call again. Goodbye.", last=True)
        return Line("Are you still there?")

    def _line(self, step: int) -> Line:
        self._step = min(step + 1, len(SCRIPT) - 1)
        if step == 2:
            day, time = self._slot
            return Line(f"{day.capitalize()} {time} it is. Please press any key to confirm.")
        if step == len(SCRIPT) - 1:
            day, time = self._slot
            return self._using(
                Line(SCRIPT[step], last=True), "book_appointment", day=day, time=time.removeprefix("at ")
            )
        return Line(SCRIPT[step])

    def _using(self, line: Line, tool: str, **arguments: str) -> Line:
        return replace(line, tool=tool, arguments=arguments) if self._calendar else line


def from_variables(variables: Mapping[str, object], first_message: str | None) -> Dialogue:
    """The dialogue for what an agent is told of a call (dynamic variables, overrides)."""
    number = variables.get("phone_number", "")
    return Dialogue(
        phone_number=number if isinstance(number, str) else "",
        greeting=first_message,
        calendar=bool(variables.get("tools_url")),
    )
