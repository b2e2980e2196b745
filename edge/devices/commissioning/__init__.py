"""Is this wire what the profile says? One module a question; ``run`` asks them all and makes the report."""
