"""``python -m tests.fuzz TARGET SECONDS``: coverage-guided fuzzing with atheris; what breaks a promise stays in the corpus."""

import sys
import tempfile
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Fuzz one parser until the time is up; exits with libFuzzer's code."""
    name, seconds = sys.argv[1], sys.argv[2]
    with atheris.instrument_imports(include=["bridge.carriers", "bridge.agents", "bridge.call"]):
        from tests.fuzz.targets import TARGETS
    kept = CORPUS / name
    found = tempfile.mkdtemp(prefix="callbridge-fuzz-")  # new inputs are this run's own; only what crashes is kept
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-timeout=10",
        "-verbosity=0",
        f"-artifact_prefix={kept}/",
    ]
    atheris.Setup([sys.argv[0], *options, found, str(kept)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
