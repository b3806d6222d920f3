import numpy as np
import pytest

from pipeline.acoustics.descriptors import LEVEL, MARGIN, NAMES, describe, levelled, power
from pipeline.acoustics.pitch import HOP
from pipeline.audio import RATE

RNG = np.random.default_rng(0)


def described(sound: np.ndarray) -> dict[str, np.ndarray]:
    even = levelled(sound.astype(np.float32))
    return dict(zip(NAMES, describe(even, power(even)).T, strict=True))


def tone(frequency: float, seconds: float = 0.5) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


def test_every_clip_comes_to_one_level(voice):
    sound = voice(200.0, 1)
    assert np.sqrt(np.mean(levelled(sound) ** 2)) == pytest.approx(LEVEL, rel=0.02)
    np.testing.assert_allclose(levelled(sound / 50), levelled(sound), atol=1e-5)


def test_silence_at_the_ends_is_cut_and_that_between_stays(voice):
    pause = np.zeros(RATE // 2, np.float32)
    sound = np.concatenate([pause, voice(200.0, 1), pause, voice(200.0, 2), pause])
    kept = len(levelled(sound))
    assert 1.5 * RATE <= kept <= 1.5 * RATE + 4 * MARGIN * HOP


@pytest.mark.parametrize("length", [1, 100, 16_000])
def test_mere_silence_stays_whole_and_finite(length: int):
    silence = levelled(np.zeros(length, np.float32))
    assert len(silence) == length
    assert np.isfinite(describe(silence, power(silence))).all()


@pytest.mark.parametrize("frequency", [400.0, 1_000.0, 3_000.0])
def test_a_tone_is_where_it_is(frequency: float):
    values = {name: np.median(contour[5:-5]) for name, contour in described(tone(frequency)).items()}
    assert values["centroid"] == pytest.approx(frequency, rel=0.03)
    for name in ("rolloff_25", "rolloff_50", "rolloff_75"):
        assert values[name] == pytest.approx(frequency, abs=40)
    assert values["crossings"] * RATE / 2 == pytest.approx(frequency, rel=0.05)


def test_noise_is_flatter_and_less_ordered_than_a_tone():
    noise, pure = described(RNG.normal(0, 0.1, RATE // 2)), described(tone(500))
    assert np.median(noise["flatness"]) > np.median(pure["flatness"]) + 1
    assert np.median(noise["entropy"]) > np.median(pure["entropy"]) + 1
    assert np.median(noise["flux"]) > np.median(pure["flux"])


def test_a_dull_voice_tilts_more_than_a_sharp_one():
    harmonics = np.arange(1, 30)
    time = np.arange(RATE // 2) / RATE

    def sung(fall: float) -> np.ndarray:
        return 0.1 * sum(np.sin(2 * np.pi * 150 * k * time) / k**fall for k in harmonics)

    dull, sharp = described(sung(2.0)), described(sung(0.7))
    assert np.median(dull["alpha"]) > np.median(sharp["alpha"])
    assert np.median(dull["hammarberg"]) > np.median(sharp["hammarberg"])
    assert np.median(dull["slope_mid"]) < np.median(sharp["slope_mid"])
