import numpy as np
import pytest
from scipy.signal import chirp

from pipeline.acoustics.pitch import HOP, Pitch, track
from pipeline.audio import RATE

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("frequency", [75.0, 110.0, 220.0, 311.0, 480.0])
def test_a_hummed_pitch_is_found(voice, frequency: float):
    pitch = track(voice(frequency, 1, seconds=1.0))
    inner = pitch.frequency[5:-5]
    assert (inner > 0).mean() > 0.95
    assert np.median(inner[inner > 0]) == pytest.approx(frequency, rel=0.01)
    assert np.median(pitch.strength) > 0.8


def test_a_glide_is_followed():
    time = np.arange(RATE) / RATE
    pitch = track((0.3 * chirp(time, 120, 1, 300) + 0.1 * chirp(time, 240, 1, 600)).astype(np.float32))
    middle = slice(10, -10)
    expected = 120 + 180 * np.arange(len(pitch.frequency)) * HOP / RATE
    assert np.abs(pitch.frequency / expected - 1)[middle].max() < 0.05


def test_noise_and_silence_have_no_pitch(voice):
    assert track(RNG.normal(0, 0.1, RATE).astype(np.float32)).voiced.mean() < 0.1
    sound = np.concatenate(
        [np.zeros(RATE // 2, np.float32), voice(200.0, 1), np.zeros(RATE // 2, np.float32)]
    )
    voiced = track(sound).voiced
    assert not voiced[:40].any()
    assert not voiced[-40:].any()
    assert voiced[55:95].all()


def test_a_frame_every_ten_milliseconds():
    for length in (1, HOP, 1_600, 12_345):
        pitch = track(np.full(length, 0.1, np.float32))
        assert len(pitch.frequency) == len(pitch.strength) == 1 + length // HOP
        assert np.isfinite(pitch.frequency).all()


def test_octaves_are_counted_from_100_hz_and_harmonicity_in_decibels():
    found = Pitch(np.array([0.0, 50.0, 100.0, 400.0]), np.array([0.01, 0.5, 0.9, 0.99]))
    assert found.octaves.tolist() == [0.0, -1.0, 0.0, 2.0]
    assert found.harmonicity == pytest.approx([-19.956, 0.0, 9.542, 19.956], abs=1e-3)
