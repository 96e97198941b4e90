"""``callbridge bench``: the benchmark tables."""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge bench``."""


def run(args: argparse.Namespace) -> int:
    """Print the tables."""
    try:
        from bench import fidelity
    except ImportError:
        print("The benchmarks are part of the source checkout: run `make bench` there.", file=sys.stderr)
        return 1
    return fidelity.main()
