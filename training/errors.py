"""Errors of the workstation tools: one line for a person and an exit code."""

from __future__ import annotations


class TrainingError(Exception):
    """A finding: data that cannot be trained on, a model that fails its gate."""

    exit_code = 1


class SetupError(TrainingError):
    """A configuration or input file that is missing or wrong."""

    exit_code = 78
