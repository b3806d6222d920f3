"""Mel spectrum and MFCC: a sound's power in bands as the ear hears them, and the shape of it."""

from functools import cache

import librosa
import numpy as np
from librosa.filters import mel as mel_filters
from numpy.typing import NDArray

from pipeline.acoustics.spectrum import SIZE, Magnitudes


def mel(magnitude: Magnitudes, rate: int, bands: int = 128) -> NDArray[np.float32]:
    """Return the power in each band, shape (frames, bands): ``librosa.feature.melspectrogram``."""
    return np.asarray(magnitude**2 @ _filters(rate, bands))


def mfcc(power: NDArray[np.float32], coefficients: int) -> NDArray[np.float32]:
    """Return the cepstrum of mel bands, shape (frames, coefficients): ``librosa.feature.mfcc``.

    References
    ----------
    Davis & Mermelstein 1980.
    """
    return np.asarray(librosa.feature.mfcc(S=librosa.power_to_db(power.T), n_mfcc=coefficients).T)


@cache
def _filters(rate: int, bands: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(mel_filters(sr=rate, n_fft=SIZE, n_mels=bands).T)
