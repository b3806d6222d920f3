"""Spectral contrast: how far, octave by octave, a spectrum's peaks stand out from its valleys."""

from functools import cache
from itertools import pairwise

import librosa
import numpy as np
from numpy.typing import NDArray

from pipeline.acoustics.spectrum import SIZE, Magnitudes

LOWEST = 200.0  # Hz: where the first octave begins; what lies below is a band of its own
OCTAVES = 6
SHARE = 0.02  # of a band's bins: so many are its peaks, and its valleys


def contrast(magnitude: Magnitudes, rate: int) -> NDArray[np.float64]:
    """Return the contrast of each band and frame, shape (frames, OCTAVES + 1), in decibels.

    ``librosa.feature.spectral_contrast(S=magnitude.T, sr=rate).T``, which sorts where a partition will do.

    References
    ----------
    Jiang et al. 2002, "Music type classification by spectral contrast feature".
    """
    peaks, valleys = np.empty((2, len(magnitude), OCTAVES + 1))
    for band, (bins, few) in enumerate(_bands(rate)):
        within = magnitude[:, bins]
        if few > 1:
            within = np.partition(within, (few - 1, within.shape[1] - few), axis=1)
            valleys[:, band], peaks[:, band] = within[:, :few].mean(axis=1), within[:, -few:].mean(axis=1)
        else:
            valleys[:, band], peaks[:, band] = within.min(axis=1), within.max(axis=1)
    return np.asarray(librosa.power_to_db(peaks) - librosa.power_to_db(valleys))


@cache
def _bands(rate: int) -> list[tuple[slice, int]]:
    """Return the bins of each band, and how many of them are its peaks and its valleys.

    As librosa counts: a band begins a bin below its octave; its share is of the bins with that at its end,
    which belongs to the next band.
    """
    frequencies = librosa.fft_frequencies(sr=rate, n_fft=SIZE)
    edges = [0.0, *(LOWEST * 2**octave for octave in range(OCTAVES + 1))]
    found = []
    for band, (low, high) in enumerate(pairwise(edges)):
        inside = np.flatnonzero((frequencies >= low) & (frequencies <= high))
        first = inside[0] - (band > 0)
        end = len(frequencies) if band == OCTAVES else inside[-1] + 1
        few = max(1, round(SHARE * (end - first)))
        found.append((slice(first, end - (band < OCTAVES)), few))
    return found
