"""The harmonic part of a spectrum: librosa's median filtering, with faster medians."""

import bottleneck as bn
import numpy as np
from numpy.typing import NDArray

from pipeline.acoustics.spectrum import Magnitudes, Spectrum

WIDTH = 31  # frames, and frequency bins: librosa's own


def harmonic(spectrum: Spectrum, magnitude: Magnitudes) -> Spectrum:
    """Return the harmonic part of a spectrum, shape (frames, bins), whose magnitude is given.

    The same as ``librosa.decompose.hpss(spectrum.T)[0].T``: what lasts over time is harmonic, what spreads
    over frequency percussive, and a soft mask keeps the former.

    References
    ----------
    Fitzgerald 2010, "Harmonic/percussive separation using median filtering", DAFx.
    """
    # In librosa's order of operations: tonnetz magnifies a rounding error in near silence a thousandfold.
    kept = magnitude * mask(medians(magnitude, axis=0), medians(magnitude, axis=1))
    silent = magnitude == 0
    parts = spectrum.view(np.float32).reshape(*spectrum.shape, 2)
    phase = parts / np.where(silent, 1, magnitude)[..., np.newaxis]
    phase[silent] = 1, 0
    phase *= kept[..., np.newaxis]
    return np.asarray(phase.reshape(len(spectrum), -1).view(np.complex64))


def mask(lasting: Magnitudes, spread: Magnitudes) -> Magnitudes:
    """Return the share that is harmonic of each bin: ``librosa.util.softmask(lasting, spread, power=2)``."""
    larger = np.maximum(lasting, spread)
    silent = larger < np.finfo(np.float32).tiny
    larger[silent] = 1
    share, rest = np.square(lasting / larger), np.square(spread / larger)
    share[silent] = rest[silent] = 1
    return np.asarray(share / (share + rest))


def medians(values: Magnitudes, axis: int) -> Magnitudes:
    """Return the median of the `WIDTH` values around each one along an axis, mirrored at the ends."""
    padding = [(0, 0), (0, 0)]
    padding[axis] = (WIDTH // 2, WIDTH // 2)
    sliding: NDArray[np.float32] = bn.move_median(np.pad(values, padding, mode="symmetric"), WIDTH, axis=axis)
    # The first windows are incomplete: the value at i is the median of those up to i.
    return sliding[WIDTH - 1 :] if axis == 0 else sliding[:, WIDTH - 1 :]
