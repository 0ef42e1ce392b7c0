"""Everything masklet raises on purpose.

MaskletError
├── PromptError        (also ValueError)   a click, box or mask that cannot be used
├── MaskError          (also ValueError)   a mask of the wrong size, type or content
├── VideoError                             a video that cannot be opened or read
│   └── DamagedVideoError                  …that broke off; frames before the damage were given
├── SinkError                              an output that cannot be written
├── CheckpointError                        weights that are missing, unknown or do not fit
├── UnknownFrameError  (also IndexError)   a frame outside the video
├── UnknownObjectError (also KeyError)     an object id nobody has prompted
├── SessionError                           a call the session cannot serve in its state
├── DataError                              a dataset folder or file that does not fit
├── ProjectError                           an annotation project that cannot be opened, or a step it refuses
├── ConfigError        (also ValueError)   a setting that does not exist or is out of range
└── MissingExtraError  (also ImportError)  an optional dependency that is not installed

A message names the thing, the value and the remedy in one line.
"""

from __future__ import annotations


class MaskletError(Exception):
    """Base of all errors a user may want to catch."""

    def __str__(self) -> str:
        # KeyError prints the repr of its argument; a message is for reading.
        return " ".join(str(argument) for argument in self.args)


class PromptError(MaskletError, ValueError):
    """A click, box or mask prompt that cannot be used as given."""


class MaskError(MaskletError, ValueError):
    """A mask with the wrong size, type or content."""


class VideoError(MaskletError):
    """A video or image that cannot be opened or read."""


class DamagedVideoError(VideoError):
    """The video breaks off; every frame before the damage has been given."""


class SinkError(MaskletError):
    """An output that cannot be written."""


class CheckpointError(MaskletError):
    """Weights that are missing, unknown, or do not fit the model."""


class UnknownFrameError(MaskletError, IndexError):
    """A frame index outside the video."""


class UnknownObjectError(MaskletError, KeyError):
    """An object id that has no prompt."""


class SessionError(MaskletError):
    """A call that the session cannot serve in its present state."""


class DataError(MaskletError):
    """A dataset folder or file that does not fit what was expected."""


class ProjectError(MaskletError):
    """An annotation project that cannot be opened, or a step that its state or somebody's role forbids."""


class ConfigError(MaskletError, ValueError):
    """A setting that does not exist or is out of range."""


class MissingExtraError(MaskletError, ImportError):
    """An optional dependency that is not installed; the message names the extra."""
