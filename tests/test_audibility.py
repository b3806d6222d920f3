import io
from collections.abc import Callable

import numpy as np
import pytest
import soundfile as sf
import soxr

from benchmarks.formats import encoded
from pipeline.audibility import CLIPPED, PAUSES, QUIET, warnings
from pipeline.audio import RATE, decode

SECONDS = 3.0


def said(samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16", **options: float) -> list[str]:
    """Return the codes of what is said of a recording that went through a file."""
    return [found.code for found in warnings(decode(encoded(samples, "WAV", subtype, rate)), **options)]


@pytest.fixture
def speech(voice: Callable[..., np.ndarray]) -> np.ndarray:
    """Three seconds of a hummed vowel with syllables and breath, 48 kHz, peak a half."""
    rate = 48_000
    time = np.arange(round(SECONDS * rate)) / rate
    breath = 0.02 * np.random.default_rng(0).standard_normal(len(time))
    hum = (voice(180, 1, SECONDS, rate) + breath) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time))
    return (0.5 * hum / np.abs(hum).max()).astype(np.float32)


def at(decibels: float, samples: np.ndarray) -> np.ndarray:
    """Let the loudest sample lie so many dB above full scale."""
    return (samples / np.abs(samples).max() * 10 ** (decibels / 20)).astype(np.float32)


@pytest.mark.parametrize("rate", [RATE, 22_050, 24_414, 44_100, 48_000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW"])
def test_nothing_is_said_of_a_good_recording(speech: np.ndarray, rate: int, subtype: str):
    assert said(soxr.resample(speech, 48_000, rate), rate, subtype) == []


@pytest.mark.parametrize("decibels", [0, -0.1, -1])
@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_loud_is_not_clipped(speech: np.ndarray, decibels: float, rate: int):
    assert said(at(decibels, soxr.resample(speech, 48_000, rate)), rate) == []


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW"])
@pytest.mark.parametrize("decibels", [6, 12])
def test_clipped_is_heard_in_every_encoding(speech: np.ndarray, decibels: float, subtype: str):
    assert said(np.clip(at(decibels, speech), -1, 1), 48_000, subtype) == ["clipped"]


def test_one_clipped_channel_or_end_is_enough(speech: np.ndarray):
    loud = np.clip(at(9, speech), -1, 1)
    assert said(np.column_stack([speech, loud]), 48_000) == ["clipped"]
    assert said(np.maximum(loud, -0.9), 48_000) == ["clipped"]
    assert said(np.minimum(loud, 0.9), 48_000) == ["clipped"]


def test_float_samples_beyond_full_scale_are_clipped(speech: np.ndarray):
    assert said(at(6, speech), 48_000, "FLOAT") == ["clipped"]


def test_a_plateau_below_full_scale_is_not_clipped(speech: np.ndarray):
    assert said(np.clip(at(6, speech), -0.9, 0.9), 48_000) == []


def test_a_few_clipped_samples_are_not_heard(speech: np.ndarray):
    few = int(CLIPPED * len(speech)) - 1
    speech[1_000 : 1_000 + few + 2] = 1
    assert said(speech, 48_000) == []
    speech[1_000 : 1_000 + few + 4] = 1
    assert said(speech, 48_000) == ["clipped"]


def test_quiet_is_the_voice_and_not_the_average(speech: np.ndarray):
    quiet = speech * np.float32(10 ** (QUIET / 20))
    assert said(quiet, 48_000, "PCM_24") == ["quiet"]
    assert said(speech * np.float32(10 ** ((QUIET + 25) / 20)), 48_000, "PCM_24") == []
    click = quiet.copy()
    click[20_000:20_100] = 0.9  # one click is no voice
    assert said(click, 48_000, "PCM_24") == ["quiet"]


@pytest.mark.parametrize("noise", [0, 1e-4, 1e-3])
def test_mostly_silence(speech: np.ndarray, noise: float):
    rng = np.random.default_rng(2)

    def with_pauses(share: float) -> np.ndarray:
        pause = np.zeros(round(len(speech) * share / (1 - share)), np.float32)
        whole = np.concatenate([pause, speech])
        return whole + np.float32(noise) * rng.standard_normal(len(whole)).astype(np.float32)

    assert said(with_pauses(PAUSES + 0.1), 48_000) == ["pauses"]
    assert said(with_pauses(0.5), 48_000) == []


def test_a_word_in_a_minute_is_still_loud_enough(speech: np.ndarray):
    minute = np.concatenate([np.zeros(30 * 48_000, np.float32), speech, np.zeros(27 * 48_000, np.float32)])
    assert said(minute, 48_000) == ["pauses"]


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("subtype", ["ULAW", "ALAW", "PCM_16"])
def test_a_telephone_is_known_by_its_band(speech: np.ndarray, rate: int, subtype: str):
    line = encoded(soxr.resample(speech, 48_000, 8_000), "WAV", subtype, 8_000)
    samples, _ = sf.read(io.BytesIO(line), dtype="float32")
    assert said(soxr.resample(samples, 8_000, rate), rate) == ["telephone"]


@pytest.mark.parametrize("rate", [4_000, 6_000, 8_000])
def test_a_low_rate_is_a_telephones(speech: np.ndarray, rate: int):
    assert said(soxr.resample(speech, 48_000, rate), rate) == ["telephone"]


def test_long_is_longer_than_the_model_knows(speech: np.ndarray):
    assert said(speech, 48_000, longest=SECONDS) == []
    assert said(speech, 48_000, longest=SECONDS - 0.5) == ["long"]
    assert said(speech, 48_000) == []


def test_several_things_are_said_in_words(speech: np.ndarray):
    loud = np.clip(at(12, soxr.resample(speech, 48_000, 8_000)), -1, 1)
    found = warnings(decode(encoded(loud, "WAV", "PCM_16", 8_000)), longest=1.0)
    assert [warning.code for warning in found] == ["clipped", "telephone", "long"]
    assert all(warning.message and warning.hint for warning in found)
    assert "3.0 s" in found[2].message


@pytest.mark.parametrize("seconds", [0.1, 0.11, 0.3, 600])
def test_the_shortest_and_the_longest_are_heard(seconds: float):
    noise = 0.1 * np.random.default_rng(3).standard_normal(round(seconds * RATE)).astype(np.float32)
    assert said(noise, RATE, "FLOAT") == []
