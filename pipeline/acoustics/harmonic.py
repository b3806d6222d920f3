"""The harmonic part of a spectrum: librosa's median filtering, with faster medians."""

import numpy as np

from pipeline.acoustics.medians import medians
from pipeline.acoustics.spectrum import Magnitudes, Spectrum, blocks

WIDTH = 31  # frames, and frequency bins: librosa's own


def harmonic(spectrum: Spectrum, magnitude: Magnitudes) -> Spectrum:
    """Return the harmonic part of a spectrum, shape (frames, bins), whose magnitude is given.

    The same as ``librosa.decompose.hpss(spectrum.T)[0].T``: what lasts over time is harmonic, what spreads
    over frequency percussive, and a soft mask keeps the former.

    References
    ----------
    Fitzgerald 2010, "Harmonic/percussive separation using median filtering", DAFx.
    """
    lasting, spread = medians(magnitude, WIDTH, axis=0), medians(magnitude, WIDTH, axis=1)
    kept = np.empty_like(spectrum)
    for some in blocks(len(spectrum)):
        kept[some] = scaled(spectrum[some], magnitude[some], mask(lasting[some], spread[some]))
    return kept


def scaled(spectrum: Spectrum, magnitude: Magnitudes, share: Magnitudes) -> Spectrum:
    """Return a spectrum, of the given magnitude, of which a share is kept.

    In librosa's order of operations: tonnetz magnifies a rounding error in near silence a thousandfold.
    """
    silent = magnitude == 0
    parts = spectrum.view(np.float32).reshape(*spectrum.shape, 2)
    phase = parts / np.where(silent, 1, magnitude)[..., np.newaxis]
    phase[silent] = 1, 0
    phase *= (magnitude * share)[..., np.newaxis]
    return np.asarray(phase.reshape(len(spectrum), -1).view(np.complex64))


def mask(lasting: Magnitudes, spread: Magnitudes) -> Magnitudes:
    """Return the share that is harmonic of each bin: ``librosa.util.softmask(lasting, spread, power=2)``."""
    larger = np.maximum(lasting, spread)
    silent = larger < np.finfo(np.float32).tiny
    larger[silent] = 1
    share, rest = np.square(lasting / larger), np.square(spread / larger)
    share[silent] = rest[silent] = 1
    return np.asarray(share / (share + rest))
