"""Chroma: how strong each of the twelve tones is, whatever its octave."""

from functools import lru_cache

import librosa
import numpy as np
from librosa.filters import chroma as chroma_filters
from numpy.typing import NDArray

from pipeline.acoustics.spectrum import SIZE, Magnitudes
from pipeline.acoustics.tuning import TUNINGS, tuning

TONES = 12


def chroma(magnitude: Magnitudes, rate: int) -> NDArray[np.float32]:
    """Return the tones of each frame, the strongest 1, shape (frames, 12).

    ``librosa.feature.chroma_stft(S=magnitude.T, sr=rate).T``: of magnitudes, as the original project had it.

    References
    ----------
    Ellis 2007, "Chroma feature analysis and synthesis".
    """
    tones = magnitude @ _filters(rate, tuning(magnitude, rate, TONES))
    return np.asarray(librosa.util.normalize(tones, axis=1))


@lru_cache(maxsize=TUNINGS)  # 50 kB each
def _filters(rate: int, tuned: float) -> NDArray[np.float32]:
    return np.ascontiguousarray(chroma_filters(sr=rate, n_fft=SIZE, tuning=tuned).T)
