"""The 193 numbers against librosa's own functions, called as the original project called them."""

import librosa
import numpy as np
import pytest

from benchmarks.features import usual
from pipeline.acoustics.statistics import Statistics
from pipeline.audio import RATE

RNG = np.random.default_rng(0)


def click(seconds: float, every: float) -> np.ndarray:
    sound = np.zeros(round(seconds * RATE), np.float32)
    sound[:: round(every * RATE)] = 0.9
    return sound


def chirp(seconds: float) -> np.ndarray:
    return (0.5 * librosa.chirp(fmin=80, fmax=7_000, sr=RATE, duration=seconds)).astype(np.float32)


def padded(sound: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(RATE, np.float32), sound, np.zeros(RATE // 2, np.float32)])


SOUNDS = {
    "noise": RNG.normal(0, 0.1, 2 * RATE).astype(np.float32),
    "quiet noise": RNG.normal(0, 1e-3, RATE).astype(np.float32),
    "full scale noise": RNG.uniform(-1, 1, RATE).astype(np.float32),
    "sine": (0.5 * np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE)).astype(np.float32),
    "chirp": chirp(1.5),
    "padded with silence": padded(chirp(1.0)),
    "a tenth of a second": RNG.normal(0, 0.1, RATE // 10).astype(np.float32),
    "a tenth of a second of tone": chirp(0.1),
    "one click": click(1.0, 2.0),
    "clicks": click(1.0, 0.05),
    "an odd length": RNG.normal(0, 0.1, 12_345).astype(np.float32),
}


@pytest.mark.filterwarnings("ignore:n_fft=:UserWarning", "ignore:Trying to estimate tuning:UserWarning")
@pytest.mark.parametrize("sound", SOUNDS.values(), ids=list(SOUNDS))
def test_the_numbers_are_librosa_s(sound: np.ndarray):
    numbers = Statistics()(sound)
    assert numbers.shape == (193,)
    assert numbers.dtype == np.float32
    assert np.isfinite(numbers).all()
    np.testing.assert_allclose(numbers, usual(sound), rtol=1e-6, atol=1e-4)


def test_a_voice_too(voice):
    sound = voice(200.0, 3, seconds=1.5)
    assert np.abs(Statistics()(sound) - usual(sound)).max() <= 1e-4


def test_the_names_are_in_the_order_of_the_numbers():
    names = Statistics().names
    assert len(names) == len(set(names)) == 193
    blocks = {"mfcc": 40, "chroma": 12, "mel": 128, "contrast": 7, "tonnetz": 6}
    assert [name.rsplit("_", 1)[0] for name in names] == [
        b for b, size in blocks.items() for _ in range(size)
    ]
    for block, size in blocks.items():
        numbers = [int(name.rsplit("_", 1)[1]) for name in names if name.rsplit("_", 1)[0] == block]
        assert numbers == list(range(size))
    assert (names[0], names[40], names[52], names[180], names[187]) == (
        "mfcc_00",
        "chroma_00",
        "mel_000",
        "contrast_0",
        "tonnetz_0",
    )


def test_a_number_is_where_its_name_says():
    a = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
    numbers = dict(zip(Statistics().names, Statistics()(a), strict=True))
    assert max((n for n in numbers if n.startswith("chroma")), key=numbers.__getitem__) == "chroma_09"  # A
    centres = librosa.mel_frequencies(n_mels=130, fmax=RATE / 2)[1:-1]
    loudest = max((n for n in numbers if n.startswith("mel")), key=numbers.__getitem__)
    assert abs(centres[int(loudest[-3:])] - 440) < 30


@pytest.mark.parametrize(("n_mfcc", "n_mels"), [(13, 128), (40, 64), (20, 40)])
def test_fewer_bands_leave_the_other_numbers_alone(n_mfcc: int, n_mels: int):
    view = Statistics(n_mfcc=n_mfcc, n_mels=n_mels)
    numbers = dict(zip(view.names, view(SOUNDS["noise"]), strict=True))
    whole = dict(zip(Statistics().names, Statistics()(SOUNDS["noise"]), strict=True))
    assert len(numbers) == n_mfcc + 12 + n_mels + 7 + 6
    for name in ("mfcc_00", "mfcc_12", "chroma_00", "contrast_3", "tonnetz_5"):
        assert numbers[name] == whole[name]


def test_stack_is_a_row_a_clip():
    rows = [np.full(193, i, np.float32) for i in range(3)]
    assert np.array_equal(Statistics().stack(rows)[:, 0], [0, 1, 2])
