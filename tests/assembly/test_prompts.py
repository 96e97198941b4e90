"""bridge/assembly/prompts.py: what the bridge says itself, in the operator's words."""

from pathlib import Path

import pytest

from bench.prompts import WORDS
from bridge import settings as config
from bridge.agents.demo.voice import speaks
from bridge.assembly import prompts
from bridge.audio.prompts import Prompt, Prompts
from bridge.web.answers import Words
from tests.standins.twilio import Carrier
from tests.support.deployment import deployed
from tests.support.house import PUBLIC, TOKEN, configuration, running

DEMO = '[agents.demo]\nprovider = "demo"\n'

needs_a_voice = pytest.mark.skipif(not speaks(), reason="nothing that speaks is installed")


def test_the_defaults_are_what_is_said() -> None:
    """The words of the configuration are those of the clips, and of the carrier's voice."""
    ours = config.Prompts()
    told = {
        Prompt.ONE_MOMENT: ours.hold,
        Prompt.STILL_THERE: ours.slow,
        Prompt.BUSY: ours.busy,
        Prompt.GOODBYE_TROUBLE: ours.failed,
        Prompt.CLOSING: ours.farewell,
    }
    assert told == {prompt: WORDS[prompt] for prompt in told}
    assert prompts.words(ours) == Words()
    assert prompts.changed(ours) == {}


async def test_without_words_of_ones_own_the_clips_are_those_rendered_ahead() -> None:
    """Nothing is spoken anew, and nothing needs to be installed."""
    assert await prompts.clips(config.Prompts()) == {str(name): clip for name, clip in Prompts.load().items()}


@needs_a_voice
@pytest.mark.parametrize("language", ["en-US", "de-DE", "pt-BR", "fr"])
async def test_words_of_ones_own_are_spoken(language: str) -> None:
    """What was changed sounds otherwise; the rest is as it was."""
    ours = {str(name): clip for name, clip in Prompts.load().items()}
    found = await prompts.clips(config.Prompts(language=language, hold="Momento.", farewell="Adieu."))
    assert {name for name, clip in found.items() if clip != ours[name]} == {Prompt.ONE_MOMENT, Prompt.CLOSING}
    assert all(len(found[name]) > 2000 for name in (Prompt.ONE_MOMENT, Prompt.CLOSING))


async def test_what_cannot_be_spoken_is_said_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """No voice for the language, or none at all: the clip that was rendered ahead, never silence, never a failed start."""
    ours = {str(name): clip for name, clip in Prompts.load().items()}
    assert await prompts.clips(config.Prompts(language="xx-XX", failed="Nuqneh.")) == ours
    monkeypatch.setattr(prompts, "speaks", lambda: False)
    assert await prompts.clips(config.Prompts(failed="Sorry.")) == ours


async def test_an_agents_successor_goes_on_in_the_operators_words(tmp_path: Path) -> None:
    """After a loss the first message is the configured one."""
    more = '[prompts]\nresumed = "Da bin ich wieder."\n'
    async with deployed(tmp_path, more=more) as all_:
        call, session = await all_.talking()
        await session.close(1011)
        successor = await all_.xuna.session()
        assert successor.overrides["agent"]["first_message"] == "Da bin ich wieder."
        await call.hang_up()


async def test_a_caller_hears_the_operators_words(tmp_path: Path) -> None:
    """The configured words are what a full bridge answers, in their language."""
    more = 'max_calls = 1\n[prompts]\nlanguage = "de-DE"\nbusy = "Alle Leitungen sind belegt."\n'
    async with running(tmp_path, configuration(tmp_path, DEMO, more=more)) as house:
        carrier = Carrier(public_url=PUBLIC, auth_token=TOKEN)
        carrier._hosts["bridge.example.com"] = f"127.0.0.1:{house.port}"
        async with carrier:
            first = await carrier.call()
            await first.streaming()
            second = await carrier.call(from_="+15550123450")
            await second.ended()
            assert second.said == ["Alle Leitungen sind belegt."]
            await first.hang_up()
