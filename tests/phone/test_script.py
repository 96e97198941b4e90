"""What the caller of a simulated call does, turn by turn, on a clock that the test holds."""

import pytest

from bridge.audio.sound import Sound
from bridge.phone.report import Kind
from bridge.phone.script import GREETING_S, converse, demonstration

from .clock import LOUD, Call

ANSWER = LOUD.mulaw()


class Agent:
    """Greets at once and answers everything that is said or pressed, ``silence`` ticks later, with a second of sound."""

    def __init__(self, *, answers: int = 100) -> None:
        self._answers = answers
        self._asked = 0
        self._said = 0

    def __call__(self, call: Call) -> None:
        """Once a tick."""
        asked = 1 + sum(moment.kind in (Kind.CALLER_SPEAKS, Kind.DIGIT) for moment in call.report.moments)
        if self._said < min(asked, self._answers) and not call.handset.talking:
            self._said += 1
            call.handset.playout.play(ANSWER)


def kinds(call: Call) -> list[Kind]:
    """Who did what, in order, without what the ear adds."""
    return [
        moment.kind
        for moment in call.report.moments
        if moment.kind in (Kind.CALLER_SPEAKS, Kind.AGENT_SPEAKS, Kind.DIGIT)
    ]


async def test_each_turn_waits_for_the_end_of_the_answer_before_it() -> None:
    """Greeting, words, answer, words, answer, key: nobody speaks over anybody."""
    call = Call(Agent())
    await call.run(converse([("one", LOUD), ("two", LOUD)], "5")(call.line))
    speaks, agent, digit = Kind.CALLER_SPEAKS, Kind.AGENT_SPEAKS, Kind.DIGIT
    assert kinds(call) == [agent, speaks, agent, speaks, agent, digit, agent]
    assert call.report.interruption_ms == []
    assert [moment.text for moment in call.report.moments if moment.kind is speaks] == ['"one"', '"two"']


async def test_an_agent_that_never_greets_is_spoken_to_all_the_same() -> None:
    """After the greeting's time the caller begins."""
    call = Call(Agent(answers=0))
    await call.run(converse([("hello", LOUD)])(call.line))
    (spoken,) = (moment for moment in call.report.moments if moment.kind is Kind.CALLER_SPEAKS)
    assert spoken.at == pytest.approx(GREETING_S, abs=1.0)


async def test_a_caller_with_nothing_to_say_listens_until_the_other_side_hangs_up() -> None:
    """It stays on the line, and says and presses nothing."""

    def hang_up_after_a_minute(call: Call) -> None:
        if call.handset.now >= 60:
            call.line.hang_up()

    call = Call(hang_up_after_a_minute)
    await call.run(converse([])(call.line))
    assert call.handset.now >= 60
    assert kinds(call) == []


async def test_the_demonstration_interrupts_the_second_answer() -> None:
    """Its caller speaks while the agent does, once; it confirms with a key, and with words where the key is not heard."""

    class LongWinded(Agent):
        def __call__(self, call: Call) -> None:
            before = call.handset.playout.queued
            super().__call__(call)
            if call.handset.playout.queued > before:  # it talks for six seconds
                for _ in range(5):
                    call.handset.playout.play(ANSWER)

    async def speak(text: str) -> Sound:
        return LOUD

    for answers, words in ((100, 3), (4, 4)):  # the second agent is deaf to keys
        call = Call(LongWinded(answers=answers))
        await call.run((await demonstration(speak))(call.line))
        assert [key for key, _ in call.keys] == ["1"]
        said = [moment for moment in call.report.moments if moment.kind is Kind.CALLER_SPEAKS]
        assert len(said) == words
        over = [moment for moment in said if spoken_over(call, moment.at)]
        assert [moment.text for moment in over] == ['"Thursday at half past ten, please."']


def spoken_over(call: Call, at: float) -> bool:
    """The agent was speaking then."""
    speaking = False
    for moment in sorted(call.report.moments, key=lambda moment: moment.at):
        if moment.at > at:
            break
        if moment.kind in (Kind.AGENT_SPEAKS, Kind.AGENT_QUIET):
            speaking = moment.kind is Kind.AGENT_SPEAKS
    return speaking
