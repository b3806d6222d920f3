from dataclasses import replace
from pathlib import PurePosixPath

import librosa
import numpy as np
import pytest
from scipy.signal import find_peaks

from pipeline.corpora import CORPORA, Utterance, cremad
from pipeline.corpora.voices import (
    BANDWIDTHS,
    CEILING,
    LEFT_OUT,
    MANNERS,
    STEP,
    STRENGTHS,
    Voice,
    generator,
    source,
    speak,
    vowel,
)
from pipeline.taxonomy import EMOTIONS

RATE = 16_000


def utterances(label: str) -> list[Utterance]:
    """Ten clips of one woman, one label."""
    first = cremad.read(PurePosixPath("1002_DFA_NEU_XX.wav"))
    return [replace(first, id=f"cremad-{label}-{n}", label=label, original_label=label) for n in range(10)]


def pitch(samples: np.ndarray) -> float:
    sound = samples / 32768
    return float(np.median(librosa.yin(sound, fmin=80, fmax=700, sr=RATE)[2:-2]))


def test_the_source_has_the_pitch_it_is_given():
    sound = source(np.full(RATE, 125.0), RATE, roughness=0, breath=0, rng=np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(sound))  # 1 Hz apart
    assert set(find_peaks(spectrum, height=spectrum.max() / 10)[0] % 125) == {0}
    assert 125 in find_peaks(spectrum, height=spectrum.max() / 3)[0]


def test_rough_sources_have_unequal_cycles():
    def spread(roughness: float) -> float:
        sound = source(np.full(RATE, 125.0), RATE, roughness, breath=0, rng=np.random.default_rng(0))
        return float(np.std(np.diff(find_peaks(-sound, height=0.5)[0])))

    assert spread(0.0) < 0.5 < spread(0.03)


def test_a_vowel_resonates_at_its_formants():
    formants = np.array([700.0, 1200.0, 2500.0])
    impulse = np.zeros(RATE)
    impulse[RATE // 2] = 1  # past the fade-in
    response = np.abs(np.fft.rfft(vowel(impulse, formants, RATE)))
    peaks = find_peaks(response, prominence=response.max() / 100)[0]
    np.testing.assert_allclose(peaks, formants, atol=max(BANDWIDTHS) / 4)


def test_a_clip_is_a_second_of_coarse_samples_between_digital_silence():
    clip = speak(utterances("anger")[0], RATE, seed=9)
    assert clip.dtype == np.int16
    assert 0.5 < len(clip) / RATE < 2
    assert not clip[: RATE // 25].any()
    assert not clip[-RATE // 25 :].any()
    assert set(clip % STEP) == {0}
    assert 2000 < np.abs(clip.astype(int)).max() < 32768


def test_the_band_is_the_same_at_every_rate():
    clip = speak(utterances("happy")[0], 48_000, seed=9)
    power = np.abs(np.fft.rfft(clip)) ** 2
    above = np.fft.rfftfreq(len(clip), 1 / 48_000) > 2 * CEILING
    assert power[above].sum() < 0.01 * power.sum()


def test_a_clip_depends_on_the_seed_and_on_nothing_else():
    one, other = utterances("sad")[:2]
    np.testing.assert_array_equal(speak(one, RATE, 9), speak(one, RATE, 9))
    assert len({speak(u, RATE, seed).tobytes() for u in (one, other) for seed in (9, 10)}) == 4


def test_sad_voices_are_lower_slower_and_softer_than_happy_ones():
    clips = {label: [speak(u, RATE, seed=9) for u in utterances(label)] for label in ("sad", "happy")}
    means = {
        label: [
            np.mean([measure(c) for c in some]) for measure in (pitch, lambda c: c.astype(float).std(), len)
        ]
        for label, some in clips.items()
    }
    assert means["happy"][0] > 1.2 * means["sad"][0]  # Hz
    assert means["happy"][1] > 1.5 * means["sad"][1]
    assert means["happy"][2] < 0.9 * means["sad"][2]


def test_womens_voices_are_higher_and_their_formants_too():
    draws = {
        sex: [Voice.draw(sex, generator(9, f"{sex}{n}")) for n in range(50)] for sex in ("female", "male")
    }
    women, men = ((np.mean([v.pitch for v in d]), np.mean([v.tract for v in d])) for d in draws.values())
    assert women[0] > 1.5 * men[0]
    assert women[1] > 1.1 * men[1]


def test_every_word_that_the_corpora_use_has_a_manner(names):
    read = [CORPORA[corpus].read(path) for corpus, paths in names.items() for path in paths]
    assert {u.original_label for u in read if u.label is None} == set(LEFT_OUT)
    assert {u.intensity for u in read} == set(STRENGTHS)
    assert set(MANNERS) == {*EMOTIONS, *LEFT_OUT.values()}


@pytest.mark.parametrize("intensity", ["low", "normal", "medium", "strong", "high", None])
def test_every_grade_can_be_spoken(intensity):
    assert speak(replace(utterances("fear")[0], intensity=intensity), RATE, 9).any()
