"""bridge/web/media.py: the door of the media socket. (Its life over real sockets: tests/end_to_end/test_front_door.py.)"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from bridge.call import events as e
from bridge.carriers.twilio.stream import TwilioStream
from bridge.runtime.sockets import Socket
from bridge.web.media import MAX_EARLY, MediaDoor, MediaRules
from tests.support.media import start

PENDING, PER_ADDRESS = 7, 3  # sockets that wait unsigned


@dataclass
class Upgrade:
    """An upgrade request."""

    signature: str | None = None
    path: bytes = b"/twilio/media"
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.signature is not None:
            self.headers["X-Twilio-Signature"] = self.signature


@dataclass
class Session:
    """What a call does with a socket."""

    attached: list[e.PhoneOpened] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def attach_phone(self, socket: Socket, stream: Any, opened: e.PhoneOpened) -> None:
        """Take it."""
        self.attached.append(opened)
        socket.receiver = self

    def received(self, message: bytes) -> None:
        """What came after start."""
        self.messages.append(message)

    def received_binary(self, size: int) -> None:
        """Nothing."""

    def answered(self) -> None:
        """Nothing."""

    def closed(self, code: int, detail: str) -> None:
        """The end."""
        self.ends.append(code)


class House:
    """A door, and what is behind it."""

    def __init__(self, *, required: bool = False, admits: bool = True) -> None:
        self.session = Session()
        self.gate = asyncio.Event()
        self.gate.set()
        self.admits = admits
        self.tasks: list[asyncio.Task[None]] = []
        rules = MediaRules(
            verify=lambda path, header: None if header is None else header == "right",
            require_signature=required,
            open_stream=TwilioStream,
            redeem=self._redeem,  # type: ignore[arg-type]
            pending=PENDING,
            pending_per_address=PER_ADDRESS,
        )
        self.door = MediaDoor(rules, self._spawn)

    async def _redeem(self, opened: e.PhoneOpened) -> Session | None:
        await self.gate.wait()
        return self.session if self.admits else None

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    def socket(self) -> Socket:
        """One that was admitted without a signature."""
        found = self.door.admit(Upgrade(), "10.0.0.1")  # type: ignore[arg-type]
        assert isinstance(found, Socket)
        assert found.receiver is not None
        return found


START = start("CA" + "0" * 32, "grant").encode()


@pytest.mark.parametrize(
    ("signature", "required", "admitted"),
    [("right", False, True), ("right", True, True), (None, False, True), (None, True, False), ("wrong", False, False)],
)
async def test_the_upgrade_is_judged_by_its_signature(signature: str | None, required: bool, admitted: bool) -> None:
    """One that is there must be right; one that is missing is a matter of configuration."""
    house = House(required=required)
    answer = house.door.admit(Upgrade(signature), "10.0.0.1")
    assert isinstance(answer, Socket) if admitted else answer == 403
    assert house.door.refused == ({} if admitted else {"signature": 1})


async def test_unsigned_sockets_are_few_for_each_address_and_in_all() -> None:
    """Signed ones are not counted with them: callers behind one proxy share an address."""
    house = House()
    for _ in range(PER_ADDRESS):
        assert isinstance(house.door.admit(Upgrade(), "10.0.0.1"), Socket)
    assert house.door.admit(Upgrade(), "10.0.0.1") == 429
    for number in range(PENDING - PER_ADDRESS):
        assert isinstance(house.door.admit(Upgrade(), f"10.0.1.{number}"), Socket)
    assert house.door.admit(Upgrade(), "10.0.2.1") == 503
    assert isinstance(house.door.admit(Upgrade("right"), "10.0.0.1"), Socket)


async def test_a_place_is_free_again_when_its_socket_is_gone() -> None:
    """Nobody waits in the door for ever."""
    house = House()
    sockets = [house.socket() for _ in range(PER_ADDRESS)]
    assert sockets[0].receiver is not None
    sockets[0].receiver.closed(1006, "")
    assert isinstance(house.door.admit(Upgrade(), "10.0.0.1"), Socket)


async def test_what_comes_while_the_grant_is_looked_up_is_kept() -> None:
    """In order, for the call."""
    house = House()
    house.gate.clear()
    socket = house.socket()
    assert socket.receiver is not None
    for message in (START, b"one", b"two"):
        socket.receiver.received(message)
    house.gate.set()
    await asyncio.wait(house.tasks)
    assert house.session.messages == [b"one", b"two"]
    assert len(house.session.attached) == 1


async def test_who_goes_while_the_grant_is_looked_up_has_been_here() -> None:
    """The call is told of the start and of the end."""
    house = House()
    house.gate.clear()
    socket = house.socket()
    assert socket.receiver is not None
    socket.receiver.received(START)
    socket.receiver.closed(1000, "")
    house.gate.set()
    await asyncio.wait(house.tasks)
    assert len(house.session.attached) == 1
    assert house.session.ends == [1000]


async def test_a_start_without_a_valid_grant_is_turned_away() -> None:
    """And so is everything it says afterwards."""
    house = House(admits=False)
    socket = house.socket()
    assert socket.receiver is not None
    socket.receiver.received(START)
    await asyncio.wait(house.tasks)
    socket.receiver.received(START)
    socket.receiver.received_binary(5)
    assert house.session.attached == []
    assert house.door.refused == {"grant": 1}


async def test_too_much_before_start_is_turned_away() -> None:
    """Two seconds of sound, no more; a start that comes then is too late."""
    house = House()
    socket = house.socket()
    assert socket.receiver is not None
    for _ in range(MAX_EARLY + 1):
        socket.receiver.received(b'{"event":"connected"}')
    socket.receiver.received(START)
    assert house.tasks == []
    assert house.door.refused == {"too_many_before_start": 1}
