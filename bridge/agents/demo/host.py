"""Serves one conversation over a socket, whatever the shape of its messages: speech out in chunks, faster than it sounds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Final, Protocol

from bridge.agents.demo.conversation import Action, CallerSaid, Conversation, Hush, Say, Understand, Use
from bridge.agents.demo.dialogue import UNHEARD
from bridge.agents.demo.tools import Tools
from bridge.agents.demo.voice import Voice

CHUNK_MS: Final = 200  # of one message: hosted agents send 100 to 250
FASTER: Final = 4.0  # than real time: a turn of 6 s is out after 1.5
QUEUED: Final = 16  # utterances and lines waiting; a conversation has one or two


class Recogniser(Protocol):
    """Makes words of sound. Without one the agent follows its script."""

    async def understand(self, pcm: bytes, rate: int, expecting: str) -> str:
        """The words in this PCM16, "" where there are none. ``expecting``: which question the caller has been asked."""
        ...


class Outlet(Protocol):
    """How one provider's protocol says things to its client."""

    rate: int  # Hz, of the agent's PCM16

    async def text(self, text: str) -> None:
        """The agent is about to say this."""
        ...

    async def audio(self, pcm: bytes) -> None:
        """A piece of the agent's speech."""
        ...

    async def caller(self, text: str) -> None:
        """The caller has said this."""
        ...

    async def hush(self) -> None:
        """The agent has stopped because the caller spoke."""
        ...

    async def complete(self, text: str) -> None:
        """All of a turn has been sent."""
        ...


class Host:
    """Carries out what a conversation asks for. ``perform`` takes actions; ``run`` does those that last."""

    def __init__(
        self,
        conversation: Conversation,
        outlet: Outlet,
        *,
        voice: Voice,
        rate: int,
        recogniser: Recogniser | None = None,
        tools: Tools | None = None,
    ) -> None:
        self._tools = tools or Tools()
        self._conversation = conversation
        self._outlet = outlet
        self._voice = voice
        self._rate = rate
        self._recogniser = recogniser
        self._todo: asyncio.Queue[Say | Understand | Use] = asyncio.Queue(QUEUED)
        self._hushed = -1

    async def perform(self, actions: Sequence[Action]) -> None:
        """Do these, in order; speaking and understanding are done by ``run``, behind what is already waiting there."""
        for action in actions:
            match action:
                case Say() | Understand() | Use():
                    await self._todo.put(action)
                case Hush():
                    self._hushed = action.turn
                    await self._outlet.hush()
                case CallerSaid():
                    await self._outlet.caller(action.text)

    async def converse(self, *others: Coroutine[None, None, None]) -> None:
        """``run`` beside these (the reader of the socket, its pings), until the first of them all is done."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in (self.run(), *others)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def run(self) -> None:
        """Speak and understand until the agent hangs up."""
        while True:
            match await self._todo.get():
                case Say() as say:
                    await self._speak(say)
                    if say.last:
                        return
                case Understand(pcm):
                    asked = self._conversation.expecting
                    text = await self._recogniser.understand(pcm, self._rate, asked) if self._recogniser else ""
                    await self.perform(self._conversation.understood(text or UNHEARD))

                case Use(line):
                    well = await self._tools.use(line.tool, line.arguments)
                    await self.perform(self._conversation.used(line, well=well))

    async def _speak(self, say: Say) -> None:
        sound = await self._voice.speak(say.text, self._outlet.rate)
        if say.turn <= self._hushed:
            return
        self._conversation.spoken(say.turn, sound.seconds)
        await self._outlet.text(say.text)
        size = self._outlet.rate * CHUNK_MS // 1000 * 2
        for start in range(0, len(sound.pcm), size):
            await self._outlet.audio(sound.pcm[start : start + size])
            await asyncio.sleep(CHUNK_MS / 1000 / FASTER)
            if say.turn <= self._hushed:
                return
        await self._outlet.complete(say.text)
