"""The front door as the carrier finds it."""

from typing import Any

import pytest

from bridge.call.ports import Secret
from bridge.doctor.findings import Finding
from bridge.doctor.front import media_socket, public_url
from bridge.doctor.probe import Answer, Unreachable, Upgrade

URL = "https://bridge.example.com"
GOOD, STRANGER = Answer(400, ours=True, seconds=0.1), Answer(403, ours=True, seconds=0.1)
OPEN, SHUT = Upgrade(101, lived_s=5.0, close_code=1008), Upgrade(403)


class Prober:
    """A door that answers as told: ``right`` to the token "t", ``wrong`` to any other."""

    def __init__(self, right: Any, wrong: Any) -> None:
        self.right, self.wrong = right, wrong
        self.asked: list[str] = []

    def _answer(self, url: str, token: str) -> Any:
        self.asked.append(url)
        found = self.right if token == "t" else self.wrong
        if isinstance(found, Exception):
            raise found
        return found

    async def webhook(self, url: str, token: str) -> Answer:
        """A signed request."""
        answer: Answer = self._answer(url, token)
        return answer

    async def upgrade(self, url: str, token: str, *, patience_s: float = 0.0) -> Upgrade:
        """A signed upgrade."""
        upgrade: Upgrade = self._answer(url, token)
        return upgrade


async def door(right: Any, wrong: Any = STRANGER) -> list[Finding]:
    """What is found of the address."""
    prober: Any = Prober(right, wrong)
    return [each async for each in public_url(prober, URL, [Secret("t")])]


async def media(right: Any, wrong: Any = SHUT) -> list[Finding]:
    """And of the socket."""
    prober: Any = Prober(right, wrong)
    return [each async for each in media_socket(prober, URL, None, Secret("t"))]


async def test_a_door_that_is_right_is_ok() -> None:
    """One line."""
    assert [each.level for each in await door(GOOD)] == ["ok"]


@pytest.mark.parametrize(
    ("right", "word"),
    [
        (Unreachable("refused"), "cannot be reached"),
        (Answer(403, ours=True, seconds=0.1), "refused"),
        (Answer(403, ours=False, seconds=0.1), "not the bridge"),
        (Answer(301, ours=False, seconds=0.1, location="https://x.example"), "https://x.example"),
        (Answer(502, ours=False, seconds=0.1), "proxy"),
        (Answer(400, ours=False, seconds=0.1), "not the bridge"),
        (Answer(200, ours=False, seconds=0.1), "not the bridge"),
    ],
)
async def test_a_door_that_is_wrong_fails_by_what_is_wrong(right: Any, word: str) -> None:
    """With a remedy of its own."""
    (found,) = await door(right)
    assert found.level == "FAIL"
    assert word in found.what
    assert found.remedy


@pytest.mark.parametrize("status", [200, 400, 404])
async def test_a_stranger_who_is_let_in_is_a_fault(status: int) -> None:
    """Even where the right signature is taken."""
    assert [each.level for each in await door(GOOD, Answer(status, ours=True, seconds=0.1))] == ["ok", "FAIL"]


async def test_a_slow_door_is_warned_of() -> None:
    """Callers hear nothing meanwhile."""
    assert [each.level for each in await door(Answer(400, ours=True, seconds=2.5))] == ["ok", "warn"]


async def test_each_token_of_a_rotation_is_told_apart() -> None:
    """The one that is refused is named by its place, never by itself."""
    prober: Any = Prober(GOOD, STRANGER)
    found = [each async for each in public_url(prober, URL, [Secret("t"), Secret("old")])]
    assert [each.level for each in found] == ["ok", "FAIL"]
    assert "token 2 of 2" in found[1].what
    assert "old" not in str(found[1])


async def test_a_socket_that_is_right_is_ok() -> None:
    """It opens, shuts out strangers, and is left alone."""
    assert [each.level for each in await media(OPEN)] == ["ok", "ok", "ok"]


@pytest.mark.parametrize("right", [Unreachable("refused"), Upgrade(403), Upgrade(200), Upgrade(426)])
async def test_a_socket_that_does_not_open_fails(right: Any) -> None:
    """Nothing else is told of it."""
    (found,) = await media(right)
    assert found.level == "FAIL"
    assert found.remedy


@pytest.mark.parametrize(
    ("right", "wrong", "word"),
    [
        (OPEN, Upgrade(101), "wrong signature"),
        (Upgrade(101, deflate=True, lived_s=5.0, close_code=1008), SHUT, "deflate"),
        (Upgrade(101, lived_s=1.0, close_code=1006), SHUT, "cuts"),
        (Upgrade(101, lived_s=4.8, close_code=1006), SHUT, "cuts"),
    ],
)
async def test_what_spoils_calls_later_fails_now(right: Upgrade, wrong: Upgrade, word: str) -> None:
    """Each by itself, beside what is well."""
    failed = [each for each in await media(right, wrong) if each.level == "FAIL"]
    assert [word in each.what for each in failed] == [True]
