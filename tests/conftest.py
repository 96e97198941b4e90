"""What holds for every test."""

import hypothesis

# Hypothesis fails an example that takes more than 0.2 s: on a machine that has other work that says nothing of the bridge.
hypothesis.settings.register_profile("unhurried", deadline=None)
if hypothesis.settings.get_current_profile_name() == "default":  # "ci", which is unhurried too, loads itself
    hypothesis.settings.load_profile("unhurried")
