"""Signed models and what they say about the next 48 h."""
