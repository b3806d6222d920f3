import librosa
import numpy as np
import pytest

from pipeline.acoustics.logmel import LogMel
from pipeline.audio import RATE

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("length", [1_600, 16_000, 12_345])
def test_shape_and_range(length: int):
    values = LogMel()(RNG.normal(0, 0.1, length).astype(np.float32))
    assert values.shape == (1 + length // 256, 128)
    assert values.dtype == np.float32
    assert values.max() == 0
    assert values.min() >= -80


@pytest.mark.parametrize(("window", "hop", "n_mels"), [(1024, 256, 128), (2048, 512, 64)])
def test_it_is_librosa_s(voice, window: int, hop: int, n_mels: int):
    sound = voice(200.0, 1)
    mel = librosa.feature.melspectrogram(y=sound, sr=RATE, n_fft=window, hop_length=hop, n_mels=n_mels)
    expected = librosa.amplitude_to_db(np.sqrt(mel), ref=np.sqrt(mel).max(), top_db=80).T
    assert np.abs(LogMel(n_mels, window, hop)(sound) - expected).max() <= 1e-4


def test_loudness_does_not_matter(voice):
    sound = voice(200.0, 1)
    assert np.abs(LogMel()(sound) - LogMel()(sound / 8)).max() <= 1e-3


def test_the_range_is_a_floor():
    sound = np.concatenate([np.zeros(RATE, np.float32), RNG.normal(0, 0.1, RATE).astype(np.float32)])
    values = LogMel(range_db=40.0)(sound)
    assert values.min() == -40
    assert (values[:50] == -40).all()


@pytest.mark.parametrize("frequency", [300, 1_000, 3_000, 6_000])
def test_a_tone_is_loudest_in_the_band_that_names_it(frequency: int):
    view = LogMel()
    values = view((0.5 * np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)).astype(np.float32))
    assert len(view.names) == 128
    band = view.names[int(values.mean(axis=0).argmax())]
    assert int(band.split("_")[1]) == pytest.approx(frequency, rel=0.07)


def test_stack_keeps_each_clip_s_length():
    clips = [np.zeros((3, 128), np.float32), np.zeros((5, 128), np.float32)]
    assert [clip.shape for clip in LogMel().stack(clips)] == [(3, 128), (5, 128)]
