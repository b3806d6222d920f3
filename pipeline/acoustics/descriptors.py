"""Low-level descriptors: what a voice does from frame to frame."""

import numpy as np
from librosa.filters import mel as mel_filters
from numpy.typing import NDArray
from scipy import fft

from pipeline.acoustics.pitch import HOP
from pipeline.acoustics.spectrum import framed
from pipeline.audio import RATE, Samples

WINDOW = 400  # samples: 25 ms
SIZE = 512  # of the transform
BANDS = 26  # mel
CEPSTRA = 14
LEVEL = 0.1  # root mean square to which a clip is brought: how loud it was recorded says nothing
MARGIN = 5  # frames kept beside the speech
SPEECH = 35.0  # dB below the loudest frame: before the first and after the last such frame nothing is said

FREQUENCIES = np.arange(SIZE // 2 + 1) * RATE / SIZE
MEL = mel_filters(sr=RATE, n_fft=SIZE, n_mels=BANDS, fmin=20, fmax=RATE / 2, htk=True, norm=None)

SPECTRAL = (
    *("energy", "loudness", "centroid", "spread", "skewness", "kurtosis"),
    *("rolloff_25", "rolloff_50", "rolloff_75", "rolloff_90", "entropy", "flatness"),
    *("alpha", "hammarberg", "slope_low", "slope_mid", "slope_high"),
    *("flux", "formant_balance", "crossings"),
)
NAMES = (
    *SPECTRAL,
    *(f"cepstrum_{i:02d}" for i in range(1, CEPSTRA + 1)),
    *(f"band_{i:02d}" for i in range(BANDS)),
)


def levelled(sound: Samples) -> NDArray[np.float64]:
    """Cut the silence at a sound's ends and bring what is left to one level."""
    energy = (framed(sound.astype(np.float64), WINDOW, HOP) ** 2).mean(axis=1)
    said = np.flatnonzero(energy >= energy.max() * 10 ** (-SPEECH / 10))
    speech = sound[max(0, (said[0] - MARGIN) * HOP) : (said[-1] + MARGIN + 1) * HOP].astype(np.float64)
    return np.asarray(speech * LEVEL / max(float(np.sqrt(np.mean(speech**2))), 1e-9))


def power(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power spectrum of every frame, shape (frames, SIZE // 2 + 1)."""
    frames = framed(sound, WINDOW, HOP) * np.hamming(WINDOW)
    transformed = fft.rfft(frames, SIZE, axis=1)
    return np.asarray(np.square(transformed.real) + np.square(transformed.imag) + 1e-10)


def describe(sound: NDArray[np.float64], spectrum: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the descriptors of every frame, shape (frames, len(NAMES)).

    Parameters
    ----------
    sound : ndarray, shape (n,)
        As `levelled` returns it.
    spectrum : ndarray, shape (frames, SIZE // 2 + 1)
        Its `power`.

    References
    ----------
    Schuller et al. 2013 (ComParE); Eyben et al. 2016 (GeMAPS: alpha ratio, Hammarberg index, slopes);
    Davis & Mermelstein 1980 (cepstra).
    """
    mel = np.log(spectrum @ MEL.T + 1e-8)
    level = np.log(spectrum)
    total = spectrum.sum(axis=1)
    share = spectrum / total[:, None]
    centroid = share @ FREQUENCIES
    apart = FREQUENCIES - centroid[:, None]
    square = np.square(apart)
    spread = np.sqrt(weighted(share, square)) + 1e-9
    cumulated = np.cumsum(share, axis=1)
    rolloff = [
        FREQUENCIES[np.minimum((cumulated < q).sum(axis=1), SIZE // 2)] for q in (0.25, 0.5, 0.75, 0.9)
    ]
    spectral = [
        decibels(total),
        np.exp(0.33 * mel).sum(axis=1),
        centroid,
        spread,
        weighted(share, square * apart) / spread**3,
        np.log(weighted(share, np.square(square)) / spread**4),
        *rolloff,
        np.log(total) - weighted(share, level),
        level.mean(axis=1) - np.log(spectrum.mean(axis=1)),
        decibels(band(spectrum, 50, 1000).sum(axis=1) / band(spectrum, 1000, 5000).sum(axis=1)),
        decibels(band(spectrum, 0, 2000).max(axis=1) / band(spectrum, 2000, 5000).max(axis=1)),
        *(slope(level, low, high) for low, high in ((50, 500), (500, 1500), (1500, 5000))),
        np.r_[0.0, np.sqrt(np.square(np.diff(np.sqrt(share), axis=0)).sum(axis=1))],
        decibels(band(spectrum, 250, 650).sum(axis=1) / band(spectrum, 1000, 4000).sum(axis=1)),
        np.diff(framed(np.signbit(sound), WINDOW, HOP), axis=1).mean(axis=1),
    ]
    cepstra = fft.dct(mel, axis=1, norm="ortho")[:, 1 : CEPSTRA + 1]
    return np.column_stack([*spectral, cepstra, mel])


def decibels(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a ratio of powers in decibels."""
    return 10 * np.log10(ratio)


def weighted(weights: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted sum of each row."""
    return np.asarray(np.einsum("ij,ij->i", weights, values))


def band(spectrum: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return the columns of a spectrum from `low` up to `high` Hz."""
    return spectrum[:, slice(*np.searchsorted(FREQUENCIES, (low, high)))]


def slope(level: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return the slope of the logarithm of each frame's spectrum between two frequencies, in dB per kHz."""
    apart = band(FREQUENCIES[None], low, high)[0]
    apart = apart - apart.mean()
    return np.asarray(band(level, low, high) @ apart / (apart @ apart) * (10_000 / np.log(10)))
