import librosa
import numpy as np
import pytest

from pipeline.acoustics.harmonic import harmonic

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("seconds", [0.1, 0.5, 3.0])
@pytest.mark.parametrize("kind", ["noise", "tone", "clicks", "half silent"])
def test_harmonic_part_is_that_of_librosa(seconds, kind):
    time = np.arange(int(16_000 * seconds)) / 16_000
    sound = {
        "noise": RNG.standard_normal(len(time)),
        "tone": np.sin(2 * np.pi * 220 * time),
        "clicks": (np.arange(len(time)) % 800 == 0).astype(float),
        "half silent": np.where(time < seconds / 2, RNG.standard_normal(len(time)), 0.0),
    }[kind].astype(np.float32)
    spectrum = librosa.stft(sound)
    theirs = librosa.decompose.hpss(spectrum)[0].T
    ours = harmonic(np.ascontiguousarray(spectrum.T), np.abs(spectrum).T)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)
