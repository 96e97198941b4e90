"""What one instance asks another."""

import asyncio
from typing import Any

import pytest

from bridge.errors import StoreUnavailable
from bridge.store.commands import Command
from bridge.web import questions as subject
from bridge.web.questions import Questions, Unanswered


class Post:
    """The mailboxes, and the instances that live and look into theirs."""

    def __init__(self) -> None:
        self.boxes: dict[str, list[Command]] = {"a": [], "b": []}
        self.alive = {"a", "b"}
        self.deaf: set[str] = set()
        self.away = False
        self.all = {name: Questions(name, self, look=self._look, alive=self._alive) for name in self.boxes}

    async def put(self, command: Command, *, instance: str) -> None:
        """Of the mailboxes."""
        self.boxes[instance].append(command)

    async def withdraw(self, call_id: str, verb: str) -> bool:
        """Of the mailboxes."""
        for box in self.boxes.values():
            for command in box:
                if (command.call_id, command.verb) == (call_id, verb):
                    box.remove(command)
                    return True
        return False

    async def _look(self) -> None:
        if self.away:
            self.away = False
            raise StoreUnavailable("away")
        for name, box in self.boxes.items():
            while box and name not in self.deaf:
                command = box.pop(0)
                assert self.all[name].concerns(command)
                await self.all[name].obey(command)

    async def _alive(self, instance: str) -> bool:
        return instance in self.alive


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    """Looks are quick here."""
    monkeypatch.setattr(subject, "LOOK_S", 0.001)
    monkeypatch.setattr(subject, "LIVES_S", 0.001)
    return Post()


async def double(args: Any) -> dict[str, Any]:
    """An answerer."""
    return {"twice": args["number"] * 2}


async def test_a_question_is_answered_by_whom_it_is_for(post: Post) -> None:
    """Each its own, also when several are asked at once; an outage of the store in between is waited for."""
    post.all["b"].kinds["double"] = double
    post.away = True
    asked = [post.all["a"].ask("double", {"number": n}, instance="b", timeout_s=5) for n in range(3)]
    assert await asyncio.gather(*asked) == [{"twice": 0}, {"twice": 2}, {"twice": 4}]
    assert post.boxes == {"a": [], "b": []}


async def test_a_question_that_nobody_took_is_taken_back(post: Post) -> None:
    """Whoever asked may do it himself: it will not be done twice."""
    post.deaf.add("b")
    with pytest.raises(Unanswered) as unanswered:
        await post.all["a"].ask("double", {"number": 1}, instance="b", timeout_s=0.02)
    assert unanswered.value.undone
    assert post.boxes["b"] == []


async def test_an_instance_that_dies_is_not_waited_for(post: Post) -> None:
    """However long the answer might take; what it took may have been done."""
    taken = asyncio.Event()

    async def slow(args: Any) -> dict[str, Any]:
        taken.set()
        raise StoreUnavailable("dying")

    post.all["b"].kinds["slow"] = slow
    asking = asyncio.create_task(post.all["a"].ask("slow", {}, instance="b", timeout_s=60))
    await taken.wait()
    post.alive.discard("b")
    with pytest.raises(Unanswered) as unanswered:
        await asking
    assert not unanswered.value.undone


async def test_a_question_of_an_unknown_kind_and_a_late_answer_harm_nothing(post: Post) -> None:
    """An instance of another version may be asked."""
    with pytest.raises(Unanswered):
        await post.all["a"].ask("unheard of", {}, instance="b", timeout_s=0.02)
    await post.all["a"].obey(Command("ask_0", "answer", {}))
    assert not post.all["a"].concerns(Command("call_1", "hangup", {}))
