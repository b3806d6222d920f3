"""What several views take from a sound, computed once: its frames' spectrum, descriptors and pitch."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.acoustics import descriptors
from pipeline.acoustics.pitch import Pitch, track
from pipeline.audio import RATE, Samples

KEPT = 30 * RATE  # samples: the analysis of a longer sound is not kept, it would hold much memory


@dataclass(frozen=True)
class Analysis:
    """A sound brought to one level and freed of silence at its ends, frame by frame.

    Attributes
    ----------
    spectrum : ndarray, shape (frames, bins)
        `descriptors.power`.
    contours : ndarray, shape (frames, len(descriptors.NAMES))
        `descriptors.describe`.
    pitch : Pitch
        Of as many frames.
    """

    spectrum: NDArray[np.float64]
    contours: NDArray[np.float64]
    pitch: Pitch

    @property
    def energy(self) -> NDArray[np.float64]:
        """Decibels, shape (frames,)."""
        return np.asarray(self.contours[:, 0])


def analyse(sound: Samples) -> Analysis:
    """Analyse a mono 16 kHz sound; the view that asks next about the same sound need not wait again."""
    return _last(sound.astype(np.float32).tobytes()) if len(sound) <= KEPT else _analysed(sound)


@lru_cache(maxsize=1)
def _last(data: bytes) -> Analysis:
    return _analysed(np.frombuffer(data, dtype=np.float32))


def _analysed(sound: Samples) -> Analysis:
    levelled = descriptors.levelled(sound)
    spectrum = descriptors.power(levelled)
    return Analysis(spectrum, descriptors.describe(levelled, spectrum), track(levelled.astype(np.float32)))
