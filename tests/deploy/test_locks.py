"""The locks: what ``make`` installs today is what it installed yesterday, with any pip that Python 3.11 brought."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
PLACES = {"requirements-docs.lock": ".venv-docs", "requirements-audit.lock": ".venv-audit"}
PLACES |= {"requirements-deploy.lock": ".venv-deploy"}
TARGETS = {".venv-docs": "docs", ".venv-audit": "audit", ".venv-deploy": "deploy-tools"}
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned(lock: str) -> dict[str, set[str]]:
    """The packages of a lock, with the extras that it names of each."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text().splitlines():
        if "==" in line and not line.startswith(" "):
            wanted = Requirement(line.rstrip(" \\"))
            found.setdefault(canonicalize_name(wanted.name), set()).update(wanted.extras)
    return found


def asked(wanted: Requirement, extras: set[str]) -> bool:
    """Whether a package that was asked for with these extras needs that on this machine."""
    return wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras | {""})


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes(lock: str) -> None:
    """One version of each, or pip takes whatever is newest on the day."""
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert entries
    for entry in entries:
        assert re.match(r"^[\w.-]+(\[[\w,-]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", LOCKS)
def test_extras_that_packages_ask_for_are_named(lock: str) -> None:
    """A pip before 23.3 that meets ``coverage[toml]`` beside a pinned ``coverage`` looks for a newer release of it, and then
    refuses that for want of a hash: from the day on which there is one, nothing can be installed any more.
    """
    known = pinned(lock)
    place = PLACES.get(lock)
    paths = sorted((ROOT / place).glob("lib/python*/site-packages")) if place else []
    if place and not paths:
        pytest.skip(f"{place} is not there: make {TARGETS[place]} makes it")
    there = metadata.distributions(path=[str(paths[0])]) if place else metadata.distributions()
    for package in there:
        name = canonicalize_name(package.metadata["Name"])
        if name not in known:
            continue
        for wanted in map(Requirement, package.requires or ()):
            if wanted.extras and asked(wanted, known[name]):
                named = known.get(canonicalize_name(wanted.name), set())
                assert wanted.extras <= named, f"{lock}: {name} needs {wanted}, the lock names {named or 'no extra'}"


def test_what_the_project_asks_for_is_named_with_its_extras() -> None:
    """In every lock that holds the project's own dependencies."""
    for wanted in map(Requirement, PROJECT["project"]["dependencies"]):
        for lock in ("requirements.lock", "requirements-dev.lock", "requirements-demo.lock"):
            known = pinned(lock)
            assert wanted.extras <= known[canonicalize_name(wanted.name)], f"{lock}: {wanted}"


def test_nothing_is_installed_that_no_lock_holds() -> None:
    """Every installation in the Makefile, the image and CI takes a lock and its hashes, or the project itself and no more."""
    for name in ("Makefile", ".ci/run", "deploy/docker/Dockerfile", "bench/wheel.py"):
        for line in (ROOT / name).read_text().replace("\\\n", " ").splitlines():
            for command in re.findall(r"pip (?:install|download)[^&|;)]*", line):
                assert "--require-hashes" in command or "--no-deps" in command, f"{name}: {command}"
                assert "--no-deps" not in command or "--no-build-isolation" in command, f"{name}: {command}"


def test_every_lock_is_made_anew_by_make_lock() -> None:
    """With its extras; none is left to grow old."""
    (flags,) = re.findall(r"^LOCK = (.+)$", MAKEFILE, re.MULTILINE)
    assert {"--generate-hashes", "--no-strip-extras", "--universal"} <= set(flags.split())
    recipe = MAKEFILE.split("\nlock:", 1)[1].split("\n\n", 1)[0]
    (groups,) = re.findall(r"for group in ([\w ]+); do", recipe)
    made = {f"requirements-{group}.lock" for group in groups.split()} | set(
        re.findall(r"requirements[\w-]*\.lock", recipe)
    )
    assert made == set(LOCKS)
