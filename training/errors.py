"""What a user can get wrong in training: one class per cause, one line each, exit status 2."""

from __future__ import annotations

from learnact.errors import LearnactError


class TrainError(LearnactError):
    """Root of everything that `learnact-train` refuses."""


class BadData(TrainError):
    """Data that is missing, empty, too short, of the wrong size, or not what its name says."""


class BadConfig(TrainError):
    """Settings that contradict each other, or a run folder that was begun with other settings."""


class BadCheckpoint(TrainError):
    """A folder without a whole checkpoint where one is needed."""


class NoSpace(TrainError):
    """A disk too full for the next checkpoint; those before it are kept."""


class Busy(TrainError):
    """A run folder that another process is training in."""


class BadModel(TrainError, ValueError):
    """A model, or a place in it, whose activations cannot be replaced, calibrated, saved or trained safely."""
