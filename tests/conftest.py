"""What holds for every test."""

import hypothesis

# Hypothesis fails an example that takes more than 0.2 s, and a test whose examples are slowly made: on a machine that has
# other work that says nothing of the bridge. (Examples that are too large or thrown away too often still fail.)
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
if hypothesis.settings.get_current_profile_name() == "default":  # "ci", which is unhurried too, loads itself
    hypothesis.settings.load_profile("unhurried")
