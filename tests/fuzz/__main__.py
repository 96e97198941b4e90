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
    target = TARGETS[name]
    folder = CORPUS / name
    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-timeout=10",
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup([*arguments, str(folder)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
