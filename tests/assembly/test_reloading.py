"""What of a new configuration is in force at once."""

import asyncio
from dataclasses import replace

import pytest

from bridge.assembly.reloading import Reloading, merged, told
from bridge.call.ports import Secret
from bridge.errors import ConfigurationError, Mistake
from bridge.settings import Settings
from bridge.settings.outbound import Transfer
from bridge.settings.services import ApiKey, Carriers, Server, TwilioSettings

SID = "AC" + "0" * 32


def settings(token: str = "a" * 32, sid: str = SID, port: int = 8080, calls: int = 5, hours: float = 12.0) -> Settings:
    """Some of them."""
    twilio = TwilioSettings(account_sid=sid, auth_token=(Secret(token),))
    found = Settings(carriers=Carriers(twilio=twilio), server=Server(port=port), max_calls=calls)
    return replace(found, api=replace(found.api, session_hours=hours, keys=(ApiKey(key=Secret("k" * 16)),)))


def test_the_same_again_changes_nothing() -> None:
    """Equal by value, secrets included."""
    assert merged(settings(), settings())[1:] == ([], [])


def test_within_one_table_some_keys_change_and_others_wait() -> None:
    """Each by its own name; what waits keeps its former value, so that the next reading names it again."""
    found, changed, restart = merged(
        settings(), settings(token="b" * 32, sid="AC" + "1" * 32, port=9, calls=6, hours=1.0)
    )
    assert changed == ["carriers.twilio.auth_token", "max_calls"]
    assert restart == ["api.session_hours", "carriers.twilio.account_sid", "server.port"]
    assert found == settings(token="b" * 32, calls=6)


def test_a_whole_table_that_comes_or_goes_waits() -> None:
    """There was no carrier to give another token to."""
    without = replace(settings(), carriers=Carriers())
    assert merged(without, settings())[1:] == ([], ["carriers.twilio"])


def test_a_warning_is_no_change() -> None:
    """It is computed from the others."""
    assert merged(settings(), replace(settings(), warnings=("weak",)))[1:] == ([], [])


async def test_one_part_that_objects_keeps_all_of_the_old() -> None:
    """Nothing is changed before everybody has agreed; then everything is, in one go."""
    new = replace(settings(), transfers={"reception": Transfer(number="+15550777")}, max_calls=9)
    reloading = Reloading(settings())
    done: list[str] = []
    objects = True

    async def first(_: Settings) -> object:
        return lambda: done.append("first")

    async def second(_: Settings) -> object:
        await asyncio.sleep(0)
        if objects:
            raise ConfigurationError([Mistake("configuration", "tools", "is wrong", "Mend it.")])
        return lambda: done.append("second")

    learnt: list[Secret] = []
    reloading.learn = learnt.extend
    reloading.load = lambda: new
    reloading.parts += [first, second]  # type: ignore[list-item]
    with pytest.raises(ConfigurationError):
        await reloading.reload()
    assert (done, reloading.settings) == ([], settings())
    assert learnt == new.secrets()
    objects = False
    assert await reloading.reload() == told(["max_calls", "transfers"], [])
    assert (done, reloading.settings) == (["first", "second"], new)


async def test_without_a_file_there_is_nothing_to_read() -> None:
    """A demo, say."""
    assert await Reloading(settings()).reload() == told([], [])
