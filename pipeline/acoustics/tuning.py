"""Tuning: by how much a sound's tones lie between the keys of a piano."""

import warnings
from functools import cache

import librosa
import numpy as np

from pipeline.acoustics.spectrum import SIZE, Magnitudes

# A clip without pitch is told by a tuning of 0, as librosa defines it.
warnings.filterwarnings("ignore", message="Trying to estimate tuning from empty", module="pipeline")

LOWEST, HIGHEST = 150.0, 4000.0  # Hz
LOUD = 0.1  # of the loudest bin of a frame: what a peak must exceed
TUNINGS = 101  # that there can be


def tuning(magnitude: Magnitudes, rate: int, bins_per_octave: int) -> float:
    """Return the tuning of a spectrum, in bins, one of 101 from -0.5 on.

    ``librosa.estimate_tuning(S=magnitude.T, …)``, which interpolates everywhere: here, at the peaks alone.

    Parameters
    ----------
    magnitude : ndarray, shape (frames, bins)
    rate : int
        Hz.
    bins_per_octave : int
    """
    first, last = _within(rate)
    here = magnitude[:, first:last]
    before, after = magnitude[:, first - 1 : last - 1], magnitude[:, first + 1 : last + 1]
    loud = here > np.float32(LOUD) * magnitude.max(axis=1, keepdims=True)
    frames, bins = np.nonzero(loud & (here > before) & (here >= after))
    here, before, after = (values[frames, bins] for values in (here, before, after))
    # A parabola through three bins tells where between them the peak is, and how high.
    bend, slope = after + before - 2 * here, (after - before) / 2
    shift = np.zeros_like(here)
    near = np.abs(slope) < np.abs(bend)
    shift[near] = -slope[near] / bend[near]
    pitches = ((bins + first + shift) * float(rate) / SIZE).astype(np.float32)
    heights = here + np.float32(0.5) * slope * shift
    strong = heights >= (np.median(heights) if len(heights) else 0)
    return float(librosa.pitch_tuning(pitches[strong], bins_per_octave=bins_per_octave))


@cache
def _within(rate: int) -> tuple[int, int]:
    """Return the first bin between `LOWEST` and `HIGHEST`, and the one after the last."""
    frequencies = librosa.fft_frequencies(sr=rate, n_fft=SIZE)
    within = np.flatnonzero((frequencies >= LOWEST) & (frequencies < min(HIGHEST, rate / 2)))
    return int(within[0]), int(within[-1]) + 1
