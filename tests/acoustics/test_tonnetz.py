"""Tuning, constant-Q transform, chroma and tonnetz against librosa's own."""

import librosa
import numpy as np
import pytest

from pipeline.acoustics import spectrum
from pipeline.acoustics.chroma import chroma
from pipeline.acoustics.contrast import contrast
from pipeline.acoustics.tonnetz import constant_q, tonnetz
from pipeline.acoustics.tuning import tuning
from pipeline.audio import RATE

RNG = np.random.default_rng(5)


def chord(detuned: float) -> np.ndarray:
    """Return a chord of A that is higher by some share of a semitone, in a little noise."""
    time = np.arange(2 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * f * 2 ** (detuned / 12) * time) for f in (220, 277.18, 329.63, 880))
    return (0.1 * tones + 0.01 * RNG.normal(size=len(time))).astype(np.float32)


SOUNDS = {f"chord {detuned}": chord(detuned) for detuned in (0.0, 0.21, -0.4)} | {
    "noise": RNG.normal(0, 0.1, RATE).astype(np.float32),
    "short": RNG.normal(0, 0.1, 1600).astype(np.float32),
}
each = pytest.mark.parametrize("sound", SOUNDS.values(), ids=list(SOUNDS))


@each
@pytest.mark.parametrize("bins", [12, 36])
@pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")
def test_the_tuning_is_librosa_s(sound: np.ndarray, bins: int):
    magnitude = np.abs(spectrum.transform(sound))
    assert tuning(magnitude, RATE, bins) == librosa.estimate_tuning(
        S=magnitude.T, sr=RATE, bins_per_octave=bins
    )


def test_silence_is_in_tune():
    assert tuning(np.zeros((3, 1025), np.float32), RATE, 12) == 0.0


@each
@pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")
def test_the_constant_q_transform_is_librosa_s(sound: np.ndarray):
    theirs = np.abs(librosa.cqt(sound, sr=RATE, n_bins=252, bins_per_octave=36, tuning=None)).T
    np.testing.assert_allclose(constant_q(sound, RATE), theirs, rtol=0, atol=1e-6 * theirs.max())


@each
@pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")
def test_every_frame_is_librosa_s(sound: np.ndarray):
    magnitude = np.abs(spectrum.transform(sound))
    theirs = librosa.feature.tonnetz(y=sound, sr=RATE).T
    np.testing.assert_allclose(tonnetz(sound, RATE), theirs, rtol=0, atol=1e-4)
    theirs = librosa.feature.chroma_stft(S=magnitude.T, sr=RATE).T
    np.testing.assert_allclose(chroma(magnitude, RATE), theirs, rtol=0, atol=1e-5)
    theirs = librosa.feature.spectral_contrast(S=magnitude.T, sr=RATE).T
    np.testing.assert_allclose(contrast(magnitude, RATE), theirs, rtol=0, atol=1e-4)
