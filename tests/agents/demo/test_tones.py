"""The demo agent's voice where nothing speaks."""

import subprocess
import sys

import pytest

from bridge.agents.demo.tones import Tones

WITHOUT = """
import ctypes.util, sys
sys.modules["espeakng_loader"] = None
ctypes.util.find_library = lambda name: None
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """In a process in which no library of speech is installed."""
    return subprocess.run([sys.executable, "-c", WITHOUT + program], capture_output=True, text=True, timeout=60)


async def test_a_note_for_each_word() -> None:
    """At telephone level and at the rate that is asked for; more words last longer, no words are a moment of silence."""
    tones = Tones()
    short, long = await tones.speak("Hello there.", 8000), await tones.speak("Hello there, how can I help you?", 8000)
    nothing = tones.render("", 8000)
    tones.close()
    assert short.rate == 8000
    assert long.seconds > 2 * short.seconds
    assert short.level == pytest.approx(-18, abs=1.5)
    assert nothing.seconds < 0.5
    assert not nothing.samples.any()


def test_without_a_library_the_demo_agent_has_notes() -> None:
    """It serves; the notes are what it has for words."""
    done = run(
        "from bridge.agents.demo.server import DemoServer\n"
        "from bridge.agents.demo.voice import speaks\n"
        "import asyncio\n"
        "async def main():\n"
        "    async with DemoServer() as server: print(speaks(), server.base_url)\n"
        "asyncio.run(main())"
    )
    assert done.stdout.startswith("False http://127.0.0.1:"), done.stdout + done.stderr


@pytest.mark.parametrize("command", ["['demo', '--once']", "['phone', '--say', 'Hello']"])
def test_without_a_library_what_must_speak_says_what_to_install(command: str) -> None:
    """A demonstration and a caller's words need speech: exit code 1, and the remedy."""
    done = run(f"from bridge.cli import main\nsys.exit(main({command}))")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "callbridge[demo]" in done.stderr
