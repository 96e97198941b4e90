"""tests/ mirrors bridge/: whoever changes a module finds its tests where they look for them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BRIDGE, TESTS = ROOT / "bridge", ROOT / "tests"
SHORT = 15  # lines: a package's __init__ that is no longer than this says what is in it, and does nothing

# Tables, shapes and names: what they hold is tested where it is used.
DATA = {
    "carriers/twilio/webhooks/__init__.py",
    "outbound/phrases/germanic.py",
    "outbound/phrases/romance.py",
    "outbound/phrases/shape.py",
    "settings/__init__.py",
    "store/__init__.py",
    "store/transaction.py",
    "tools/__init__.py",
    "web/call_store.py",
}
# Tested under another name, or only through what uses them. This list may only become shorter.
WANTED = {
    "agents/demo/kura.py",
    "agents/demo/recogniser.py",
    "agents/demo/xuna.py",
    "assembly/dashboard.py",
    "assembly/outbound.py",
    "assembly/texts.py",
    "bench/agent.py",
    "bench/caller.py",
    "bench/control.py",
    "bench/run.py",
    "bench/sound.py",
    "bench/subject.py",
    "store/postgresql.py",
    "web/dashboard/calls.py",
    "web/dashboard/health.py",
}
EXCUSED = DATA | WANTED


def homes(module: Path) -> list[Path]:
    """Where the tests of a module may be. A package's own are in its folder as test_init.py, or beside it under its name."""
    if module.name != "__init__.py":
        return [TESTS / module.parent / f"test_{module.name}"]
    package = TESTS / module.parent
    return [package / "test_init.py", package.with_name(f"test_{package.name}.py")]


def modules() -> list[Path]:
    """All that do something, below bridge/. (A step of the database's history is run by every test of the store.)"""
    found = []
    for file in sorted(BRIDGE.rglob("*.py")):
        module = file.relative_to(BRIDGE)
        if "migrations" in module.parts or module.name == "__main__.py":
            continue
        if module.name != "__init__.py" or len(file.read_text().splitlines()) > SHORT:
            found.append(module)
    return found


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_module_has_a_test_file_of_its_name(module: Path) -> None:
    """In the folder that mirrors its own, and with a test in it; what has one needs no excuse any more."""
    there = [file for file in homes(module) if file.exists() and "def test_" in file.read_text()]
    if str(module) in EXCUSED:
        assert not there, f"{module} has {there[0].relative_to(ROOT)}: take it from the list"
    else:
        assert there, f"{module} needs {homes(module)[0].relative_to(ROOT)}"


def test_nothing_is_excused_that_is_not_there() -> None:
    """A module that was renamed or removed leaves no entry behind."""
    assert set(map(str, modules())) >= EXCUSED
