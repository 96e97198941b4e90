"""``python -m bench.audit PIP-AUDIT``: licences and known weaknesses of what the bridge runs with (``requirements.lock``).

Exit code 0: none that matter; 1: some; 3: it could not be seen. Weaknesses are asked of PyPI and, for what PyPI does not tell, of
OSV; a package of which neither tells was not audited, and that is never passed off as a clean result.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).parent.parent / "requirements.lock"
SERVICES: Final = ("pypi", "osv")
CLEAN, FOUND, UNSEEN = 0, 1, 3
LIMIT_S: Final = 600
# Strong copyleft would reach whoever passes the bridge on; the lesser kinds do not reach what only loads the library.
FORBIDDEN: Final = re.compile(r"(?<!L)\bA?GPL|(?<!Lesser )General Public|SSPL|Affero", re.IGNORECASE)
READ: Final = {  # metadata without a licence: what the LICENSE file in the package says
    "aiofastnet": "MIT",
    "picows": "MIT",
}
CARRIED: Final = {  # wheels that carry a library under another licence than their own
    "espeakng-loader": "GPL-3.0-or-later (espeak-ng)",
    "soundfile": "LGPL-2.1-or-later (libsndfile)",
}


def locked(lock: str) -> set[str]:
    """The names of a lock's packages."""
    return {
        re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)(?:\[.*?\])?==", lock, re.MULTILINE)
    }


def licence(name: str, told: metadata.PackageMetadata) -> str:
    """By expression, classifiers, field, what it carries, or what was read; "" where nothing says."""
    classifiers = [
        each.rpartition(" :: ")[2] for each in told.get_all("Classifier") or () if each.startswith("License ::")
    ]
    field = (told.get("License") or "").strip().partition("\n")[0]
    own = told.get("License-Expression") or "; ".join(classifiers) or field or READ.get(name, "")
    return "; ".join(each for each in (own, CARRIED.get(name, "")) if each)


def licences(packages: Mapping[str, metadata.PackageMetadata]) -> list[str]:
    """A line for every package that must not be there as it is."""
    faults = []
    for name, told in sorted(packages.items()):
        words = licence(name, told)
        if not words:
            faults.append(f"{name}: no licence is told; read its LICENSE file, and note it in bench/audit.py")
        elif all(FORBIDDEN.search(choice) for choice in words.split(" OR ")):
            faults.append(f"{name}: {words}")
    return faults


def weaknesses(command: list[str], lock: Path) -> tuple[list[str], dict[str, str]]:
    """Known weaknesses, a line each; and the packages that could not be audited, with the reason."""
    found: list[str] = []
    unseen = dict.fromkeys(sorted(locked(lock.read_text())), "pip-audit told nothing of it")
    for service in SERVICES:
        options = ["--requirement", str(lock), "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
        asked = subprocess.run(
            [*command, *options, "--vulnerability-service", service, "--format", "json"],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        try:
            answer = json.loads(asked.stdout)["dependencies"]
        except (ValueError, KeyError, TypeError):
            said = asked.stderr.strip().splitlines()
            unseen = dict.fromkeys(unseen, f"{service}: {said[-1][-200:] if said else 'no answer'}")
            continue
        for each in answer:
            if "skip_reason" in each:
                unseen[each["name"]] = f"{service}: {each['skip_reason']}"
            elif each["name"] in unseen:
                del unseen[each["name"]]
                found += [f"{each['name']} {each['version']}: {weakness(told)}" for told in each["vulns"]]
        if not unseen:
            break
    return found, unseen


def weakness(told: Mapping[str, object]) -> str:
    """Its name, and the versions without it."""
    fixed = told.get("fix_versions")
    versions = ", ".join(map(str, fixed)) if isinstance(fixed, list) and fixed else "no version yet"
    return f"{told.get('id')}, mended in {versions}"


def report(title: str, lines: Iterable[str]) -> None:
    """A heading and what is under it."""
    print(title)
    for line in lines:
        print(f"  {line}")


def main(arguments: list[str], *, lock: Path = LOCK) -> int:
    """Look at both; the exit code."""
    names = locked(lock.read_text())
    packages = {
        name: each.metadata
        for each in metadata.distributions()
        if (name := re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower()) in names
    }
    faults = licences(packages)
    if faults:
        report(f"LICENCES: {len(faults)} of {len(packages)} packages must not be there as they are:", faults)
    else:
        print(f"licences: none of {len(packages)} packages is under a strong copyleft, and each tells its own")
    found, unseen = weaknesses(arguments, lock)
    if found:
        report(f"WEAKNESSES: {len(found)} known:", found)
    if unseen:
        reasons = sorted({reason.replace(f"{name} ", "").replace(f": {name}", "") for name, reason in unseen.items()})
        report(
            f"NOT AUDITED: of {len(unseen)} of {len(names)} packages nobody told whether weaknesses are known:",
            reasons[:5],
        )
    if not found and not unseen:
        print(f"weaknesses: none known of {len(names)} packages")
    return FOUND if faults or found else UNSEEN if unseen else CLEAN


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
