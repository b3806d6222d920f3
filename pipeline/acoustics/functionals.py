"""Functionals: how a voice moves over a clip, in numbers; prosody, voice quality and timbre."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from pipeline.acoustics import descriptors
from pipeline.acoustics.analysis import analyse
from pipeline.acoustics.pitch import HOP, Pitch
from pipeline.audio import RATE, Samples

FRAMES = RATE / HOP  # per second
FEWEST = 5  # frames that a contour needs
SYLLABLE = 3.0  # dB by which an energy peak stands out
MODULATION = ((0.5, 1.5), (1.5, 3), (3, 5), (5, 8), (8, 12), (12, 20), (20, 40))  # Hz
WIDE = (0, 3, 6, 10, 14, 18, 22)  # first mel band of each wide one
SPECTRUM = slice(2, 250)  # bins of the average spectrum: 62 Hz to 7.8 kHz, four at a time
SPEECH = 25.0  # dB below the loudest frame: what counts for the average spectrum

Numbers = dict[str, float]
Contours = NDArray[np.float64]  # shape (frames, contours)


@dataclass(frozen=True)
class Functionals:
    """Statistics of frame-by-frame descriptors, of their movement, of pitch and of rhythm.

    A clip is brought to one level and freed of silence at its ends first; nothing is taken from other
    clips of its speaker.

    References
    ----------
    Schuller et al. 2013, the INTERSPEECH 2013 computational paralinguistics challenge (functionals);
    Banse & Scherer 1996 (what emotion does to a voice); Wu, Falk & Chan 2011 (modulation spectra).
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The numbers' names, e.g. ``"centroid.mean"``."""
        return _names()

    def __call__(self, sound: Samples) -> NDArray[np.float32]:
        """Return the numbers of one sound, shape (len(names),)."""
        return np.nan_to_num(np.array(list(_numbers(sound).values()), dtype=np.float32))

    def stack(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return a table, shape (len(clips), len(names))."""
        return np.stack(clips)


@cache
def _names() -> tuple[str, ...]:
    return tuple(_numbers(np.sin(np.arange(RATE) / 20).astype(np.float32)))


def _numbers(sound: Samples) -> Numbers:
    told = analyse(sound)
    contours, pitch, energy = told.contours, told.pitch, told.energy
    moving = signal.savgol_filter(np.pad(contours, ((2, 2), (0, 0)), mode="edge"), 5, 1, deriv=1, axis=0)[
        2:-2
    ]
    return {
        **statistics(contours, descriptors.NAMES),
        **statistics(moving, [f"{name}_delta" for name in descriptors.NAMES]),
        **voice(pitch, energy),
        **rhythm(pitch, energy),
        **modulation(contours[:, -descriptors.BANDS :]),
        **timbre(told.spectrum, energy),
    }


def statistics(contours: Contours, names: Sequence[str]) -> Numbers:
    """Summarise contours, shape (frames, len(names)): where they lie, how they spread, how they move."""
    if len(contours) < FEWEST:
        contours = (
            np.zeros((FEWEST, len(names))) if not len(contours) else np.repeat(contours, FEWEST, axis=0)
        )
    mean, deviation = contours.mean(axis=0), contours.std(axis=0) + 1e-6
    standard = (contours - mean) / deviation
    p1, p10, p25, p50, p75, p90, p99 = np.percentile(contours, (1, 10, 25, 50, 75, 90, 99), axis=0)
    height = (contours - p1) / (p99 - p1 + 1e-6)
    time = np.linspace(-1, 1, len(contours))
    bend = 1.5 * time**2 - 0.5
    steps = np.diff(contours, axis=0)
    rows = {
        "mean": mean,
        "deviation": deviation,
        "skewness": np.clip((standard**3).mean(axis=0), -5, 5),
        "kurtosis": np.clip((standard**4).mean(axis=0), 0, 20),
        **{"p1": p1, "p10": p10, "p25": p25, "p50": p50, "p75": p75, "p90": p90, "p99": p99},
        "range": p99 - p1,
        "quartiles": p75 - p25,
        "deciles": p90 - p10,
        "slope": time @ (contours - mean) / (time @ time),
        "bend": bend @ (contours - mean) / (bend @ bend),
        "high": (height > 0.75).mean(axis=0),
        "low": (height < 0.25).mean(axis=0),
        "rising": (steps > 0).mean(axis=0),
        "restlessness": np.abs(steps).mean(axis=0),
    }
    return {
        f"{name}.{row}": float(value)
        for row, values in rows.items()
        for name, value in zip(names, values, strict=True)
    }


def voice(pitch: Pitch, energy: NDArray[np.float64]) -> Numbers:
    """Summarise pitch, harmonicity, jitter and shimmer where there is a voice."""
    voiced, octaves = pitch.voiced, pitch.octaves
    going_on = voiced[1:] & voiced[:-1]
    steps = np.diff(octaves)[going_on]
    louder = np.abs(np.diff(energy[: len(voiced)]))[going_on]
    return {
        **statistics(np.column_stack([octaves, pitch.harmonicity])[voiced], ("pitch", "harmonicity")),
        **statistics(np.column_stack([steps, np.abs(steps), louder]), ("pitch_step", "jitter", "shimmer")),
        **statistics(pitch.strength[:, None], ("strength",)),
    }


def rhythm(pitch: Pitch, energy: NDArray[np.float64]) -> Numbers:
    """Summarise how long, how fast and in which phrases was spoken, and the course of pitch and energy."""
    voiced, seconds = pitch.voiced, len(pitch.voiced) / FRAMES
    edges = np.diff(np.r_[0, voiced.astype(np.int64), 0])
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    phrases = (ends - starts) / FRAMES if len(starts) else np.zeros(1)
    pauses = (starts[1:] - ends[:-1]) / FRAMES if len(starts) > 1 else np.zeros(1)
    smooth = signal.savgol_filter(energy, 11, 2) if len(energy) > 11 else energy
    syllables, _ = signal.find_peaks(smooth, prominence=SYLLABLE)
    octaves = pitch.octaves
    level = octaves[voiced].mean() if voiced.any() else 0.0
    course = {}
    for i, quarter in enumerate(np.array_split(np.arange(len(voiced)), 4), start=1):
        spoken = quarter[voiced[quarter]]
        course[f"pitch_quarter_{i}"] = float(octaves[spoken].mean() - level) if len(spoken) else 0.0
        course[f"energy_quarter_{i}"] = float(energy[quarter].mean() - energy.mean()) if len(quarter) else 0.0
    return {
        "duration": seconds,
        "voiced": float(voiced.mean()),
        "phrases_per_second": len(starts) / seconds,
        "phrase": float(phrases.mean()),
        "phrase_deviation": float(phrases.std()),
        "phrase_longest": float(phrases.max()),
        "pause": float(pauses.mean()),
        "pause_deviation": float(pauses.std()),
        "syllables_per_second": len(syllables) / seconds,
        **course,
    }


def modulation(bands: Contours) -> Numbers:
    """Return how strongly wide bands of the voice come and go at several rates, as log powers."""
    wide = np.logaddexp.reduceat(bands, WIDE, axis=1)
    wide = (wide - wide.mean(axis=0)) * np.hanning(len(wide))[:, None]
    size = max(256, len(wide))
    power = np.abs(fft.rfft(wide, size, axis=0)) ** 2 / len(wide)
    rates = np.arange(len(power)) * FRAMES / size
    return {
        f"modulation_{low}_{high}_hz.{i}": float(np.log(value + 1e-6))
        for low, high in MODULATION
        for i, value in enumerate(power[(rates >= low) & (rates < high)].mean(axis=0))
    }


def timbre(spectrum: NDArray[np.float64], energy: NDArray[np.float64]) -> Numbers:
    """Return the long-term average spectrum of what is said, as log powers."""
    average = spectrum[energy > energy.max() - SPEECH].mean(axis=0)[SPECTRUM]
    return {
        f"spectrum_{i:02d}": float(value)
        for i, value in enumerate(np.log(average.reshape(-1, 4).mean(axis=1)))
    }
