"""The harmonic part of a spectrum: librosa's median filtering, with faster medians."""

import bottleneck as bn
import librosa
import numpy as np
from numpy.typing import NDArray

WIDTH = 31  # frames, and frequency bins: librosa's own


def harmonic(spectrum: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return the harmonic part of a spectrum, shape (bins, frames) as given.

    The same as ``librosa.decompose.hpss(spectrum)[0]``: what lasts over time is harmonic, what spreads
    over frequency percussive, and a soft mask keeps the former.

    References
    ----------
    Fitzgerald 2010, "Harmonic/percussive separation using median filtering", DAFx.
    """
    magnitude, phase = librosa.magphase(spectrum)
    mask = librosa.util.softmask(
        medians(magnitude, axis=1), medians(magnitude, axis=0), power=2.0, split_zeros=True
    )
    # In librosa's order of operations: tonnetz magnifies a rounding error in near silence a thousandfold.
    return np.asarray((magnitude * mask) * phase)


def medians(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Return the median of the `WIDTH` values around each one along an axis, mirrored at the ends."""
    padding = [(0, 0), (0, 0)]
    padding[axis] = (WIDTH // 2, WIDTH // 2)
    sliding = bn.move_median(np.pad(values, padding, mode="symmetric"), WIDTH, axis=axis)
    # The first windows are incomplete: the value at i is the median of those up to i.
    return np.asarray(np.moveaxis(np.moveaxis(sliding, axis, 0)[WIDTH - 1 :], 0, axis))
