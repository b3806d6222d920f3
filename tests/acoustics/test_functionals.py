import numpy as np
import pytest

from pipeline.acoustics.functionals import Functionals
from pipeline.audio import RATE

RNG = np.random.default_rng(0)
VIEW = Functionals()


def told(sound: np.ndarray) -> dict[str, float]:
    return dict(zip(VIEW.names, VIEW(sound.astype(np.float32)).tolist(), strict=True))


def hummed(pitch: np.ndarray, wobble: float = 0.0) -> np.ndarray:
    """Hum a course of pitch, Hz, a value a sample; `wobble` is a random part of each period's length."""
    phase = (
        2
        * np.pi
        * np.cumsum(pitch * (1 + wobble * np.repeat(RNG.normal(size=len(pitch) // 80 + 1), 80)[: len(pitch)]))
        / RATE
    )
    return 0.2 * sum(np.sin(k * phase) / k for k in range(1, 11))


def test_names_are_many_and_all_different():
    assert len(VIEW.names) == len(set(VIEW.names)) == 2648


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(RATE),
        np.zeros(1),
        np.ones(800),
        np.eye(1, RATE)[0],
        RNG.normal(0, 1e-12, RATE),
        RNG.normal(0, 0.1, 3),
        RNG.normal(0, 0.1, 399),
        RNG.normal(0, 0.1, 20 * RATE),
        np.sign(np.sin(np.arange(RATE) / 9)),
    ],
    ids=["silence", "a sample", "constant", "a click", "faint", "3", "399", "20 s", "clipped"],
)
def test_whatever_comes_has_finite_numbers(sound: np.ndarray):
    values = VIEW(sound.astype(np.float32))
    assert values.shape == (2648,)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


def test_neither_loudness_nor_silence_around_it_changes_a_voice(voice):
    sound = voice(200.0, 1, seconds=1.0)
    pause = np.zeros(RATE, np.float32)
    numbers, quiet, padded = VIEW(sound), VIEW(sound / 20), VIEW(np.concatenate([pause, sound, pause]))
    scale = np.abs(numbers) + 1
    assert (np.abs(quiet - numbers) / scale).max() < 0.02
    same = ["pitch.mean", "centroid.p50", "cepstrum_01.p50", "voiced", "spectrum_10"]
    index = [VIEW.names.index(name) for name in same]
    np.testing.assert_allclose(padded[index], numbers[index], rtol=0.1, atol=0.2)  # a margin stays


def test_pitch_and_its_movement():
    time = np.arange(RATE) / RATE
    low, high = told(hummed(np.full(RATE, 110.0))), told(hummed(np.full(RATE, 220.0)))
    assert high["pitch.mean"] - low["pitch.mean"] == pytest.approx(1.0, abs=0.03)  # an octave
    rising, falling = told(hummed(150 + 100 * time)), told(hummed(250 - 100 * time))
    assert rising["pitch.slope"] > 0.1 > -0.1 > falling["pitch.slope"]
    assert rising["pitch_quarter_4"] > rising["pitch_quarter_1"]
    lively = told(hummed(200 + 60 * np.sin(2 * np.pi * 3 * time)))
    assert lively["pitch.deviation"] > 5 * high["pitch.deviation"]


def test_a_rough_voice_has_more_jitter_and_is_less_harmonic():
    clean, rough = told(hummed(np.full(RATE, 150.0))), told(hummed(np.full(RATE, 150.0), wobble=0.05))
    assert rough["jitter.mean"] > 2 * clean["jitter.mean"]
    assert rough["harmonicity.mean"] < clean["harmonicity.mean"] - 3


def test_rhythm():
    time = np.arange(2 * RATE) / RATE
    voice = hummed(np.full(2 * RATE, 150.0))
    slow, fast = (told(voice * (0.02 + np.maximum(0, np.sin(2 * np.pi * rate * time)))) for rate in (2, 6))
    assert fast["syllables_per_second"] > slow["syllables_per_second"] + 1.5
    assert fast["modulation_5_8_hz.2"] - fast["modulation_1.5_3_hz.2"] > 1
    assert slow["modulation_1.5_3_hz.2"] - slow["modulation_5_8_hz.2"] > 1
    parted = voice * (np.arange(2 * RATE) // (RATE // 2) % 2 == 0)
    assert told(parted)["pause"] == pytest.approx(0.5, abs=0.1)
    assert told(voice)["duration"] == pytest.approx(2.0, abs=0.1)


def test_stack_puts_clips_in_rows(voice):
    clips = [VIEW(voice(pitch, 1)) for pitch in (150.0, 300.0)]
    assert VIEW.stack(clips).shape == (2, 2648)
