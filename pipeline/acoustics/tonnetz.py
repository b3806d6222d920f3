"""Tonnetz: where the tones of a sound lie in the net of fifths and thirds."""

from functools import cache, lru_cache

import librosa
import numpy as np
from librosa.filters import cq_to_chroma, wavelet
from numpy.typing import NDArray
from scipy import fft

from pipeline.acoustics.spectrum import HOP, Magnitudes, framed, transform
from pipeline.acoustics.tuning import TUNINGS, tuning
from pipeline.audio import Samples

OCTAVES = 7
BINS = 36  # per octave
SPARSITY = 0.01  # of the magnitude of a filter's transform: so much of it is left out


def tonnetz(sound: Samples, rate: int) -> NDArray[np.float32]:
    """Return the tonal centroids of each frame of a sound, shape (frames, 6): ``librosa.feature.tonnetz``.

    References
    ----------
    Harte, Sandler & Gasser 2006, "Detecting harmonic change in musical audio".
    """
    centroids = librosa.feature.tonnetz(chroma=chroma(constant_q(sound, rate)).T)
    return np.asarray(centroids.T)


def chroma(bins: Magnitudes) -> NDArray[np.float32]:
    """Return how strong each of the twelve tones is, the strongest 1, shape (frames, 12)."""
    tones = bins @ _tones().T
    return np.asarray(librosa.util.normalize(tones, axis=1))


def constant_q(sound: Samples, rate: int) -> Magnitudes:
    """Return the magnitudes of a sound's constant-Q transform, shape (frames, OCTAVES × BINS).

    ``librosa.cqt(sound, sr=rate, n_bins=252, bins_per_octave=36, tuning=None)``: the sound is halved in
    rate octave by octave, so that the same filters serve all of them; they are built once for each tuning.

    References
    ----------
    Schörkhuber & Klapuri 2010, "Constant-Q transform toolbox for music processing".
    """
    bank = _filters(rate, tuning(np.abs(transform(sound)), rate, BINS))
    octaves: list[NDArray[np.float32]] = []
    for octave in range(OCTAVES):
        if octave:
            sound = librosa.resample(sound, orig_sr=2, target_sr=1, res_type="soxr_hq", scale=True)
        response = framed(sound, len(bank), HOP >> octave) @ bank
        octaves.insert(0, np.hypot(response[:, :BINS], response[:, BINS:]))
    frames = min(len(octave) for octave in octaves)
    return np.hstack([octave[:frames] for octave in octaves])


@lru_cache(maxsize=TUNINGS)  # 150 kB each
def _filters(rate: int, tuned: float) -> NDArray[np.float32]:
    """Return the filters of the highest octave, shape (size, 2 × BINS): real parts, then imaginary ones."""
    lowest = librosa.note_to_hz("C1") * 2.0 ** (tuned / BINS)
    frequencies = librosa.cqt_frequencies(OCTAVES * BINS, fmin=lowest, bins_per_octave=BINS)[-BINS:]
    waves, lengths = wavelet(freqs=frequencies, sr=rate)
    size = waves.shape[1]
    spectra = fft.fft(waves * (lengths[:, np.newaxis] / size), axis=1)[:, : size // 2 + 1]
    spectra = librosa.util.sparsify_rows(spectra, quantile=SPARSITY).toarray()
    # What librosa multiplies with a frame's transform, brought back to time: frames need none.
    waves = fft.fft(spectra, size, axis=1) / np.sqrt(lengths)[:, np.newaxis]
    return np.ascontiguousarray(np.vstack([waves.real, waves.imag]).T, dtype=np.float32)


@cache
def _tones() -> NDArray[np.float32]:
    return np.asarray(cq_to_chroma(OCTAVES * BINS, bins_per_octave=BINS))
