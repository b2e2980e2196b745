"""The flight recorder: what control and planner saw and decided, so that a day can be decided again to the last bit."""
