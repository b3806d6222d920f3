"""How the stand-in speaks: vowels by source and filter, with the acoustic cues of each emotion.

References
----------
Fant 1960, Acoustic Theory of Speech Production; Klatt 1980, doi:10.1121/1.383940; Klatt & Klatt 1990,
doi:10.1121/1.398894; Peterson & Barney 1952, doi:10.1121/1.1906875; Scherer 2003,
doi:10.1016/S0167-6393(02)00084-5; Juslin & Laukka 2003, doi:10.1037/0033-2909.129.5.770.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from pipeline.corpora import Sex, Utterance

Signal = NDArray[np.float64]
Samples = NDArray[np.int16]

# F1, F2, F3 in Hz of men's vowels, rounded (Peterson & Barney 1952).
VOWELS = np.array(
    [
        (270, 2290, 3010),  # heed
        (530, 1840, 2480),  # head
        (660, 1720, 2410),  # had
        (730, 1090, 2440),  # hod
        (570, 840, 2410),  # hawed
        (300, 870, 2240),  # who'd
    ]
)
BANDWIDTHS = (60, 90, 150)  # Hz (Klatt 1980)
OPEN = 0.6  # the part of a cycle in which the vocal folds are open (Klatt & Klatt 1990)
CEILING = 3800  # Hz: what the higher formants would add is left out, to keep archives small
STEP = 64  # of the 16-bit scale: coarse samples pack well
PAUSE = 0.06  # s, about, before and after the voice


@dataclass(frozen=True)
class Manner:
    """How an emotion is spoken, relative to the speaker's neutral voice.

    Attributes
    ----------
    pitch : float
        Semitones.
    melody : float
        Pitch range, a factor.
    tempo : float
        Syllables per second, a factor.
    energy : float
        dB.
    brightness : float
        Where the source's spectrum begins to fall, octaves.
    roughness : float
        Jitter and shimmer, a factor.
    breath : float
        Aspiration noise, a factor.
    """

    pitch: float = 0.0
    melody: float = 1.0
    tempo: float = 1.0
    energy: float = 0.0
    brightness: float = 0.0
    roughness: float = 1.0
    breath: float = 1.0


# The directions are those reviewed by Scherer 2003 and Juslin & Laukka 2003; the sizes are ours.
MANNERS = {
    "anger": Manner(pitch=2.0, melody=1.4, tempo=1.15, energy=5.0, brightness=0.9, roughness=2.2, breath=0.7),
    "calm": Manner(
        pitch=-1.0, melody=0.7, tempo=0.85, energy=-3.0, brightness=-0.3, roughness=0.7, breath=1.2
    ),
    "disgust": Manner(
        pitch=-1.5, melody=1.1, tempo=0.8, energy=0.5, brightness=0.1, roughness=2.4, breath=0.9
    ),
    "fear": Manner(pitch=4.5, melody=0.7, tempo=1.3, energy=-1.0, brightness=0.2, roughness=1.8, breath=1.6),
    "happy": Manner(pitch=4.0, melody=1.9, tempo=1.05, energy=3.0, brightness=0.4, roughness=0.7, breath=0.8),
    "neutral": Manner(),
    "sad": Manner(
        pitch=-2.0, melody=0.6, tempo=0.75, energy=-5.0, brightness=-0.7, roughness=1.2, breath=1.8
    ),
    "surprise": Manner(pitch=6.0, melody=2.2, tempo=1.0, energy=3.0, brightness=0.5, roughness=0.9),
}
# The corpora's words for what the six emotions leave out.
LEFT_OUT = {"calm": "calm", "surprised": "surprise", "surprise": "surprise", "pleasant surprise": "surprise"}
STRENGTHS = {None: 1.0, "low": 0.7, "normal": 0.9, "medium": 1.0, "strong": 1.2, "high": 1.3}


@dataclass(frozen=True)
class Voice:
    """A speaker.

    Attributes
    ----------
    pitch : float
        Median fundamental, Hz.
    tract : float
        Formants, as a factor of the average man's: a shorter vocal tract raises them (Fant 1960).
    tempo : float
        Syllables per second.
    brightness : float
        Where the source's spectrum begins to fall, Hz.
    level : float
        Root mean square over full scale.
    expression : float
        How far the speaker goes with an emotion, a factor.
    """

    pitch: float
    tract: float
    tempo: float
    brightness: float
    level: float
    expression: float

    @classmethod
    def draw(cls, sex: Sex, rng: np.random.Generator) -> Voice:
        """Draw a speaker around the averages of the sex (Peterson & Barney 1952)."""
        pitch, tract = (205, 1.16) if sex == "female" else (118, 1.0)
        return cls(
            pitch=pitch * 2 ** rng.normal(0, 1 / 6),
            tract=tract * rng.normal(1, 0.04),
            tempo=rng.normal(4.6, 0.4),
            brightness=800 * 2 ** rng.normal(0, 0.35),
            level=0.06 * 2 ** rng.normal(0, 0.3),
            expression=rng.uniform(0.8, 1.2),
        )


def generator(seed: int, what: str) -> np.random.Generator:
    """Return the random numbers of one speaker or clip, the same whatever else is made."""
    return np.random.default_rng([seed, zlib.crc32(what.encode())])


def source(pitch: Signal, rate: int, roughness: float, breath: float, rng: np.random.Generator) -> Signal:
    """Return the flow through the vocal folds, differentiated (Klatt & Klatt 1990).

    Parameters
    ----------
    pitch : ndarray, shape (n,)
        Fundamental, Hz, per sample.
    rate : int
        Hz.
    roughness : float
        Standard deviation of a cycle's length (jitter) and strength (shimmer), as a fraction.
    breath : float
        Amplitude of the noise of the passing air, against pulses of 1.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
    """
    cycle = np.floor(np.cumsum(pitch) / rate).astype(int)
    jitter, shimmer = 1 + roughness * rng.standard_normal((2, cycle[-1] + 1))
    phase = np.cumsum(pitch * jitter[cycle]) / rate % 1 / OPEN
    pulse = shimmer[cycle] * (2 * phase - 3 * phase**2)
    return np.where(phase < 1, pulse + breath * rng.standard_normal(len(pitch)), 0)


def vowel(sound: Signal, formants: Signal, rate: int) -> Signal:
    """Pass a source through one resonator per formant, in cascade (Klatt 1980, equations 1 and 2).

    Parameters
    ----------
    sound : ndarray, shape (n,)
    formants : ndarray, shape (3,)
        Hz.
    rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n,)
        Starts and ends at 0.
    """
    n = len(sound)
    for formant, bandwidth in zip(formants, BANDWIDTHS, strict=True):
        c = -np.exp(-2 * np.pi * bandwidth / rate)
        b = 2 * np.exp(-np.pi * bandwidth / rate) * np.cos(2 * np.pi * formant / rate)
        sound = lfilter([1 - b - c], [1, -b, -c], sound)
    return sound * np.interp(np.arange(n), [0, n // 4, n - n // 4, n - 1], [0, 1, 1, 0])


def speak(utterance: Utterance, rate: int, seed: int) -> Samples:
    """Return a clip: a few syllables in the speaker's voice and the emotion's manner.

    Speakers differ in voice and in how far they go, clips in all that the manner sets: the emotions overlap.

    Parameters
    ----------
    utterance : Utterance
    rate : int
        Hz.
    seed : int

    Returns
    -------
    ndarray of int16, shape (n,)
        Mono, about a second, with digital silence before and after.
    """
    voice = Voice.draw(utterance.sex, generator(seed, utterance.speaker))
    manner = MANNERS[utterance.label or LEFT_OUT[utterance.original_label]]
    rng = generator(seed, utterance.id)
    strength = voice.expression * STRENGTHS[utterance.intensity] * rng.normal(1, 0.25)

    tempo = voice.tempo * manner.tempo**strength * 2 ** rng.normal(0, 0.15)
    ends = np.cumsum(rate / tempo * rng.uniform(0.7, 1.3, size=rng.integers(3, 5))).astype(int)
    melody = 1.6 * manner.melody**strength * rng.standard_normal(len(ends) + 1)
    semitones = np.interp(np.arange(ends[-1]), [0, *ends], melody)
    semitones += manner.pitch * strength + rng.normal(0, 0.8)
    sound = source(
        voice.pitch * 2 ** (semitones / 12),
        rate,
        roughness=0.015 * manner.roughness**strength * 2 ** rng.normal(0, 0.3),
        breath=0.04 * manner.breath**strength,
        rng=rng,
    )
    corner = voice.brightness * 2 ** (manner.brightness * strength + rng.normal(0, 0.25))
    fall = np.exp(-2 * np.pi * corner / rate)
    sound = lfilter([1 - fall], [1, -fall], sound)

    syllables = [
        vowel(part, voice.tract * rng.choice(VOWELS) * rng.normal(1, 0.03, size=3), rate)
        * 2 ** rng.normal(0, 0.25)
        for part in np.split(sound, ends[:-1])
    ]
    sound = sosfilt(butter(6, CEILING, fs=rate, output="sos"), np.concatenate(syllables))
    level = voice.level * 10 ** ((manner.energy * strength + rng.normal(0, 1.5)) / 20)
    sound *= level / np.sqrt(np.mean(sound**2))
    sound = np.pad(sound, int(PAUSE * rng.uniform(0.8, 1.6) * rate))
    return (STEP * np.round(np.clip(sound, -0.99, 0.99) * 32767 / STEP)).astype(np.int16)
