"""Functionals: how a voice moves over a clip, in numbers; prosody, voice quality and timbre."""

from collections.abc import Iterable, Sequence
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
SPECTRUM = slice(2, 250)  # bins of the average spectrum: 62 Hz to 7.8 kHz
TOGETHER = 4  # of which are averaged
SPEECH = 25.0  # dB below the loudest frame: what counts for the average spectrum

ROWS = (
    *("mean", "deviation", "skewness", "kurtosis", "p1", "p10", "p25", "p50", "p75", "p90", "p99"),
    *("range", "quartiles", "deciles", "slope", "bend", "high", "low", "rising", "restlessness"),
)
QUARTERS = range(1, 5)
RHYTHM = (
    *("duration", "voiced", "phrases_per_second", "phrase", "phrase_deviation", "phrase_longest"),
    *("pause", "pause_deviation", "syllables_per_second"),
    *(f"{contour}_quarter_{i}" for i in QUARTERS for contour in ("pitch", "energy")),
)

Numbers = NDArray[np.float64]
Contours = NDArray[np.float64]  # shape (contours, frames)


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
        told = analyse(sound)
        contours, pitch, energy = np.ascontiguousarray(told.contours.T), told.pitch, told.energy
        numbers = (
            statistics(contours),
            statistics(signal.savgol_filter(contours, 5, 1, deriv=1, mode="nearest")),
            *voice(pitch, energy),
            rhythm(pitch, energy),
            modulation(contours[-descriptors.BANDS :]),
            timbre(told.spectrum, energy),
        )
        return np.nan_to_num(np.concatenate([some.ravel() for some in numbers]).astype(np.float32))

    def stack(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return a table, shape (len(clips), len(names))."""
        return np.stack(clips)


@cache
def _names() -> tuple[str, ...]:
    def summarised(contours: Iterable[str]) -> list[str]:
        contours = tuple(contours)
        return [f"{contour}.{row}" for row in ROWS for contour in contours]

    return (
        *summarised(descriptors.NAMES),
        *summarised(f"{name}_delta" for name in descriptors.NAMES),
        *summarised(("pitch", "harmonicity")),
        *summarised(("pitch_step", "jitter", "shimmer")),
        *summarised(("strength",)),
        *RHYTHM,
        *(f"modulation_{low}_{high}_hz.{i}" for low, high in MODULATION for i in range(len(WIDE))),
        *(f"spectrum_{i:02d}" for i in range((SPECTRUM.stop - SPECTRUM.start) // TOGETHER)),
    )


def statistics(contours: Contours) -> Numbers:
    """Summarise contours: where they lie, how they spread, how they move, shape (len(ROWS), contours)."""
    if contours.shape[1] < FEWEST:
        contours = np.repeat(contours, FEWEST, axis=1) if contours.size else np.zeros((len(contours), FEWEST))
    count = contours.shape[1]
    mean = contours.mean(axis=1)
    apart = contours - mean[:, None]
    deviation = np.sqrt(np.square(apart).mean(axis=1)) + 1e-6
    standard = apart / deviation[:, None]
    square = np.square(standard)
    p1, p10, p25, p50, p75, p90, p99 = np.percentile(contours, (1, 10, 25, 50, 75, 90, 99), axis=1)
    height = (contours - p1[:, None]) / (p99 - p1 + 1e-6)[:, None]
    time = np.linspace(-1, 1, count)
    bend = 1.5 * time**2 - 0.5
    steps = np.diff(contours, axis=1)
    return np.stack(
        [
            *(mean, deviation),
            np.clip(np.einsum("ij,ij->i", square, standard) / count, -5, 5),
            np.clip(np.einsum("ij,ij->i", square, square) / count, 0, 20),
            *(p1, p10, p25, p50, p75, p90, p99),
            *(p99 - p1, p75 - p25, p90 - p10),
            apart @ time / (time @ time),
            apart @ bend / (bend @ bend),
            np.count_nonzero(height > 0.75, axis=1) / count,
            np.count_nonzero(height < 0.25, axis=1) / count,
            np.count_nonzero(steps > 0, axis=1) / (count - 1),
            np.abs(steps).mean(axis=1),
        ]
    )


def voice(pitch: Pitch, energy: NDArray[np.float64]) -> tuple[Numbers, Numbers, Numbers]:
    """Summarise pitch, harmonicity, jitter and shimmer where there is a voice, and its strength."""
    voiced, octaves = pitch.voiced, pitch.octaves
    going_on = voiced[1:] & voiced[:-1]
    steps = np.diff(octaves)[going_on]
    louder = np.abs(np.diff(energy[: len(voiced)]))[going_on]
    return (
        statistics(np.stack([octaves, pitch.harmonicity])[:, voiced]),
        statistics(np.stack([steps, np.abs(steps), louder])),
        statistics(pitch.strength[None]),
    )


def rhythm(pitch: Pitch, energy: NDArray[np.float64]) -> Numbers:
    """Tell how long, how fast and in which phrases was spoken, and the course of pitch and energy."""
    voiced, seconds = pitch.voiced, len(pitch.voiced) / FRAMES
    edges = np.diff(np.r_[0, voiced.astype(np.int64), 0])
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    phrases = (ends - starts) / FRAMES if len(starts) else np.zeros(1)
    pauses = (starts[1:] - ends[:-1]) / FRAMES if len(starts) > 1 else np.zeros(1)
    smooth = signal.savgol_filter(energy, 11, 2) if len(energy) > 11 else energy
    syllables, _ = signal.find_peaks(smooth, prominence=SYLLABLE)
    octaves = pitch.octaves
    level = octaves[voiced].mean() if voiced.any() else 0.0
    course = []
    for quarter in np.array_split(np.arange(len(voiced)), len(QUARTERS)):
        spoken = quarter[voiced[quarter]]
        course += [
            octaves[spoken].mean() - level if len(spoken) else 0.0,
            energy[quarter].mean() - energy.mean() if len(quarter) else 0.0,
        ]
    return np.array(
        [
            *(seconds, voiced.mean(), len(starts) / seconds, phrases.mean(), phrases.std(), phrases.max()),
            *(pauses.mean(), pauses.std(), len(syllables) / seconds),
            *course,
        ]
    )


def modulation(bands: Contours) -> Numbers:
    """Return how strongly wide bands of the voice come and go at several rates, as log powers.

    The shape is (len(MODULATION), len(WIDE)).
    """
    wide = np.logaddexp.reduceat(bands, WIDE, axis=0)
    count = wide.shape[1]
    wide = (wide - wide.mean(axis=1, keepdims=True)) * np.hanning(count)
    size = max(256, count)
    power = np.abs(fft.rfft(wide, size, axis=1)) ** 2 / count
    rates = np.arange(power.shape[1]) * FRAMES / size
    within = [power[:, (rates >= low) & (rates < high)].mean(axis=1) for low, high in MODULATION]
    return np.log(np.stack(within) + 1e-6)


def timbre(spectrum: NDArray[np.float64], energy: NDArray[np.float64]) -> Numbers:
    """Return the long-term average spectrum of what is said, as log powers."""
    average = spectrum[energy > energy.max() - SPEECH].mean(axis=0)[SPECTRUM]
    return np.asarray(np.log(average.reshape(-1, TOGETHER).mean(axis=1)))
