"""Who carries out what a conversation asks for, with a voice, ears and a protocol of the test's own."""

import asyncio
from typing import Any

import pytest

from bridge.agents.demo.conversation import CallerSaid, Conversation, Hush, Say, Understand
from bridge.agents.demo.dialogue import HOURS, UNHEARD, Dialogue
from bridge.agents.demo.host import CHUNK_MS, Host
from bridge.audio.sound import Sound

RATE = 8000
GREETING = "Hello!"
CHUNK = RATE * CHUNK_MS // 1000 * 2


class Voice:
    """Speaks ``chunks`` and a half chunks of sound, whatever the text."""

    def __init__(self, chunks: float = 2.5) -> None:
        self.chunks = chunks

    async def speak(self, text: str, rate: int) -> Sound:
        """The sound."""
        return Sound(b"\x01\x02" * round(CHUNK * self.chunks / 2), rate)


class Outlet:
    """Keeps what it is told, in order; ``cut_at`` is called with the number of chunks so far."""

    rate = RATE

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.chunks: list[bytes] = []
        self.after_chunk: Any = None

    async def text(self, text: str) -> None:
        """Of the agent."""
        self.told.append(("text", text))

    async def audio(self, pcm: bytes) -> None:
        """A piece."""
        self.chunks.append(pcm)
        self.told.append(("audio", len(pcm)))
        if self.after_chunk is not None:
            await self.after_chunk()

    async def caller(self, text: str) -> None:
        """Of the caller."""
        self.told.append(("caller", text))

    async def hush(self) -> None:
        """Stopped."""
        self.told.append(("hush", None))

    async def complete(self, text: str) -> None:
        """A turn."""
        self.told.append(("complete", text))


class Ears:
    """Understands one sentence, whatever it hears, and keeps which question it was told of."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.asked: list[tuple[int, str]] = []

    async def understand(self, pcm: bytes, rate: int, expecting: str) -> str:
        """The words."""
        self.asked.append((rate, expecting))
        return self.words


def host(outlet: Outlet, conversation: Conversation, *, ears: Ears | None = None, chunks: float = 2.5) -> Host:
    """One that serves this conversation."""
    return Host(conversation, outlet, voice=Voice(chunks), rate=RATE, recogniser=ears)  # type: ignore[arg-type]


@pytest.fixture
def conversation() -> Conversation:
    """A fresh one."""
    return Conversation(Dialogue(), rate=RATE)


async def until_told(outlet: Outlet, kind: str) -> None:
    """Wait for the first of a kind."""
    async with asyncio.timeout(5):
        while kind not in [each for each, _ in outlet.told]:
            await asyncio.sleep(0.005)


async def test_a_turn_is_its_words_then_its_sound_then_its_end(conversation: Conversation) -> None:
    """The text comes before the first chunk, the chunks are the whole sound and no more, the end comes behind the last."""
    outlet = Outlet()
    one = host(outlet, conversation)
    await one.perform([Say(0, GREETING, last=True)])
    await asyncio.wait_for(one.run(), 5)  # after its last words the agent hangs up
    assert outlet.told == [
        ("text", GREETING),
        ("audio", CHUNK),
        ("audio", CHUNK),
        ("audio", CHUNK // 2),
        ("complete", GREETING),
    ]


async def test_a_turn_that_is_cut_says_no_more(conversation: Conversation) -> None:
    """Not one chunk after the interruption, and no end of a turn that did not end; the next turn is spoken."""
    outlet = Outlet()
    one = host(outlet, conversation, chunks=5)
    (greeting,) = conversation.open()

    async def cut() -> None:
        if len(outlet.chunks) == 2:
            outlet.after_chunk = None
            await one.perform([Hush(0), Say(1, HOURS, last=True)])

    outlet.after_chunk = cut
    await one.perform([greeting])
    await asyncio.wait_for(one.run(), 5)
    assert [kind for kind, _ in outlet.told] == ["text", *["audio"] * 2, "hush", "text", *["audio"] * 5, "complete"]


async def test_a_turn_that_was_cut_before_it_began_is_not_begun(conversation: Conversation) -> None:
    """Its words are not even told."""
    outlet = Outlet()
    one = host(outlet, conversation)
    await one.perform([Say(0, GREETING, last=False), Hush(0), Say(1, HOURS, last=True)])
    await asyncio.wait_for(one.run(), 5)
    assert [text for kind, text in outlet.told if kind == "text"] == [HOURS]


async def test_what_the_caller_said_is_told_and_answered(conversation: Conversation) -> None:
    """By the words that the recogniser found, which is told the question; without one the script goes on all the same."""
    for ears, words in ((Ears("what are your hours"), "what are your hours"), (Ears(""), UNHEARD), (None, UNHEARD)):
        talk = Conversation(Dialogue(), rate=RATE)
        outlet = Outlet()
        one = host(outlet, talk, ears=ears)
        talk.open()
        running = asyncio.create_task(one.run())
        await one.perform([Understand(b"\0\0")])
        await until_told(outlet, "complete")
        running.cancel()
        await asyncio.wait([running])
        assert ("caller", words) in outlet.told
        assert ("text", HOURS) in outlet.told
        assert ears is None or ears.asked == [(RATE, "intent")]


async def test_a_conversation_ends_with_the_first_who_leaves(conversation: Conversation) -> None:
    """The reader whose socket has ended takes the speaker with it."""
    outlet = Outlet()
    one = host(outlet, conversation)
    reader = asyncio.Event()

    async def read() -> None:
        await one.perform([CallerSaid("bye")])
        await reader.wait()

    talk = asyncio.create_task(one.converse(read()))
    await until_told(outlet, "caller")
    assert not talk.done()
    reader.set()
    await asyncio.wait_for(talk, 5)
