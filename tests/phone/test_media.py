"""The carrier's end of one media socket, against a toy bridge over real sockets."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from bridge.phone.handset import Handset
from bridge.phone.media import QUEUED, MediaSocket
from bridge.phone.options import PhoneFailure, PhoneOptions
from bridge.phone.playout import FRAME, SILENCE
from bridge.phone.report import Kind, PhoneReport

from .toy import TOKEN, Media, Toy

SPOKEN = bytes(range(1, 161))


class Stream:
    """One media socket of a caller whose clock stands still unless the test moves it."""

    def __init__(self, toy: Toy, *, token: str = TOKEN) -> None:
        self.report = PhoneReport("CA")
        self.handset = Handset(self.report, lambda moment: None)
        url = toy.url.replace("http", "ws") + "/media"
        self.media = MediaSocket(PhoneOptions(auth_token=token), self.handset, self.report, signed_url=url)
        self.hung_up = asyncio.Event()

    async def run(self) -> None:
        """Until the bridge closes the socket or the caller hangs up."""
        await asyncio.wait_for(self.media.run({"grant": "g"}, self.hung_up), 10)

    @property
    def ends(self) -> list[str]:
        """What was noted of its end."""
        return [moment.text for moment in self.report.moments if moment.kind in (Kind.CLOSED, Kind.FAULT)]


async def stream(
    media: Callable[[Media], Awaitable[None]], act: Callable[[Stream], None] = lambda one: None
) -> tuple[Stream, Media]:
    """What the caller's side knows after one stream, and the bridge's side. ``act`` is called before it begins."""
    async with Toy({}, media) as toy:
        one = Stream(toy)
        act(one)
        await one.run()
        (other,) = toy.streams
    return one, other


async def test_a_hang_up_says_stop_behind_everything_else() -> None:
    """What was said and pressed before goes out first, in order; then the documented stop, and nothing after it."""

    async def media(bridge: Media) -> None:
        await bridge.until("start")
        await bridge.until("stop")

    def act(one: Stream) -> None:
        one.media.audio(SPOKEN)
        one.media.digit("5")
        one.hung_up.set()

    one, bridge = await stream(media, act)
    events = [message["event"] for message in bridge.seen]
    assert events == ["connected", "start", "media", "dtmf", "stop"]
    assert bridge.seen[3]["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert set(bridge.seen[-1]["stop"]) == {"accountSid", "callSid"}
    assert one.ends == []


async def test_what_was_not_played_when_the_stream_ends_is_never_heard() -> None:
    """A bridge that closes the socket behind a sentence cuts it, as the carrier does."""

    async def media(bridge: Media) -> None:
        await bridge.until("start")
        await bridge.play(SPOKEN * 50)
        await bridge.mark("end")

    one, _ = await stream(media)
    assert one.ends == ["the bridge closed the media socket"]
    assert one.handset.tick() == (SILENCE * FRAME, [])
    assert one.report.marks == 0


async def test_a_mark_behind_nothing_comes_back_at_once() -> None:
    """And one behind sound does not, before that has been played."""

    async def media(bridge: Media) -> None:
        await bridge.until("start")
        await bridge.mark("first")
        await bridge.play(SPOKEN)
        await bridge.mark("second")
        assert (await bridge.until("mark"))["mark"] == {"name": "first"}
        await bridge.send("clear")
        assert (await bridge.until("mark"))["mark"] == {"name": "second"}

    one, _ = await stream(media)
    assert (one.report.marks, one.report.clears) == (2, 1)


async def test_a_bridge_that_does_not_read_loses_sound_within_bounds() -> None:
    """Beyond ten seconds the newest is thrown away and counted, as the carrier warns of it (31930)."""

    async def media(bridge: Media) -> None:
        await bridge.until("start")

    def act(one: Stream) -> None:
        for _ in range(QUEUED + 7):
            one.media.audio(SPOKEN)

    one, _ = await stream(media, act)
    assert one.report.dropped == 7


async def test_a_lost_socket_is_told_from_a_closed_one() -> None:
    """With its code, since a bridge that is killed closes nothing."""

    async def media(bridge: Media) -> None:
        await bridge.until("start")
        bridge.socket.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    one, _ = await stream(media)
    assert one.ends == ["the media socket was lost (code 1006)"]


async def test_a_socket_that_is_refused_is_the_bridges_fault() -> None:
    """A wrong signature is refused before the upgrade, and the caller is told so."""

    async def media(bridge: Media) -> None:
        raise AssertionError("it was let in")

    async with Toy({}, media) as toy:
        with pytest.raises(PhoneFailure, match=r"did not take the media socket: .*403"):
            await Stream(toy, token="0" * 32).run()
