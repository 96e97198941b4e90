"""What holds for every test."""

import os

import hypothesis
import pytest

# Hypothesis fails an example that takes more than 0.2 s, and a test whose examples are slowly made: on a machine that has
# other work that says nothing of the bridge. (Examples that are too large or thrown away too often still fail.)
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
if hypothesis.settings.get_current_profile_name() == "default":  # "ci", which is unhurried too, loads itself
    hypothesis.settings.load_profile("unhurried")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` means: two for each core up to eight, for a call lasts as long as it lasts, and a test waits for it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(cores, min(2 * cores, 8))
