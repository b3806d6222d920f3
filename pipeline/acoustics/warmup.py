"""Compile once what librosa compiles when it is first called."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from filelock import FileLock

from pipeline.acoustics import View
from pipeline.audio import RATE

# One a user: another's lock file could not be opened.
LOCK = Path(tempfile.gettempdir()) / f"emotion-detector-compile-{Path.home().name}.lock"


def warm_up(views: Iterable[View]) -> None:
    """Compute each view of one second of sound, one process of the machine at a time.

    To be called before clips are given to several processes. numba compiles librosa's inner loops into a
    cache that the processes share; two that fill it at the same time can leave it so that every later one
    crashes (seen with numba 0.68: segmentation fault in ``piptrack``).
    """
    second = (0.1 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)
    with FileLock(LOCK):
        for view in views:
            view(second)
