"""What the documentation says is so: examples load, commands run, links lead somewhere, the reference is the code's."""

import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import reference
from bridge.settings import Settings
from tests.docs.blocks import BLOCKS, DOCS, PAGES, ROOT, Block, commands, kind

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
ENVIRONMENT = {
    "TWILIO_ACCOUNT_SID": "AC" + "0123456789abcdef" * 2,
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcde1",
    "XUNA_AI_API_KEY": "xk-74c1b2d0",
    "KURA_API_KEY": "kura_live_5f0e9d",
    "ELEVENLABS_API_KEY": "sk_5f0e9d21",
    "BRIDGE_API_KEY": "an-operators-key-5f0e9d",
    "CRM_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
DEMO = 'database_url = "sqlite:///demo.db"\n[agents.demo]\nprovider = "demo"\n[[lines]]\nnumber = "*"\nagent = "demo"\n'


def test_every_block_is_executed_or_says_why_not() -> None:
    """No example stands in the documentation that nobody tries: it has a kind that a test knows, or its reason."""
    known = {"config", "part", "run", "serve", "bridge", "make"}
    silent = [each.where for each in BLOCKS if each.kind not in known and len(each.reason.split()) < 3]
    assert not silent, f"mark these with <!-- test: KIND --> or <!-- not run: REASON -->: {silent}"


@pytest.mark.parametrize("block", kind("config"), ids=lambda each: each.where)
def test_configurations_load(block: Block, tmp_path: Path) -> None:
    """config: a whole configuration that the bridge takes, without a warning."""
    file = tmp_path / "bridge.toml"
    file.write_text(block.text)
    assert Settings.load(str(file), ENVIRONMENT).warnings == ()


@pytest.mark.parametrize("block", kind("part"), ids=lambda each: each.where)
def test_parts_of_configurations_load(block: Block, tmp_path: Path) -> None:
    """part: it fits into a configuration."""
    file = tmp_path / "bridge.toml"
    file.write_text(DEMO + block.text)
    file.chmod(0o600)
    Settings.load(str(file), ENVIRONMENT)


@pytest.mark.parametrize("block", kind("run"), ids=lambda each: each.where)
def test_commands_run(block: Block, tmp_path: Path) -> None:
    """run: every command runs as it stands, with nothing else there, and exits with 0."""
    (tmp_path / "demo.toml").write_text(DEMO)
    for line in commands(block.text):
        words = shlex.split(line)
        if words[0] == "callbridge":
            words[:1] = [sys.executable, "-m", "bridge"]
        elif words[0] in ("python", ".venv/bin/python"):
            words[0] = sys.executable
        environ = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", kind("make"), ids=lambda each: each.where)
def test_targets_are_there(block: Block) -> None:
    """make: the Makefile has the target. (What it does is what the tests do, or takes minutes of a machine by itself.)"""
    for line in commands(block.text):
        words = shlex.split(line, comments=True)
        assert words[0] == "make"
        done = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    """Every link to a page of ours finds it."""
    for page in PAGES:
        for target in LINK.findall(page.read_text()):
            if "://" in target or target.startswith("#"):
                continue
            found = (page.parent / target.partition("#")[0]).resolve()
            assert found.exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_the_reference_is_the_codes() -> None:
    """The generated pages are what the code would write now."""
    stale = reference.stale()
    if sys.version_info[:2] != (3, 11) and "commands.md" in stale:
        stale.remove("commands.md")  # argparse words its help otherwise in other versions
    assert stale == []


def test_tests_that_are_named_exist() -> None:
    """Whatever file of ours a page names in backquotes or commands is there."""
    for page in PAGES:
        for name in re.findall(r"(?:tests|deploy|bench|config)/[\w./-]*\w", page.read_text()):
            if name.endswith((".py", ".md", ".toml", ".yaml", ".cfg")) and name != "config/bridge.toml":
                assert (ROOT / name).exists(), f"{page.relative_to(ROOT)}: {name}"


def test_the_picture_is_one() -> None:
    """The picture of the call path is well-formed and says in words what it shows."""
    (picture,) = (DOCS / "pictures").iterdir()
    assert ET.parse(picture).getroot().get("aria-label")
