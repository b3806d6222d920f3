"""The spectrum against librosa's own."""

import librosa
import numpy as np
import pytest

from pipeline.acoustics import spectrum
from pipeline.audio import RATE

RNG = np.random.default_rng(4)
LENGTHS = pytest.mark.parametrize("length", [1600, 2047, 2048, 12_345, 3 * RATE])


@LENGTHS
def test_the_spectrum_is_librosa_s(length: int):
    sound = RNG.normal(0, 0.1, length).astype(np.float32)
    np.testing.assert_array_equal(spectrum.transform(sound), librosa.stft(sound).T)


@LENGTHS
def test_the_sound_of_a_spectrum_is_librosa_s(length: int):
    altered = librosa.stft(RNG.normal(0, 0.1, length).astype(np.float32)) * 0.5
    back = spectrum.sound(np.ascontiguousarray(altered.T), length)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, librosa.istft(altered, length=length))


def test_a_frame_lies_around_each_step():
    frames = spectrum.framed(np.arange(1, 9, dtype=np.float32), size=4, hop=2)
    assert frames.tolist() == [[0, 0, 1, 2], [1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7, 8], [7, 8, 0, 0]]
