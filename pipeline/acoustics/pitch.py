"""Pitch: the fundamental frequency of a voice, frame by frame."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft

from pipeline.acoustics.spectrum import framed
from pipeline.audio import RATE, Samples

HOP = 160  # samples: 10 ms
WINDOW = 640  # samples: 40 ms, two periods of the lowest voice
LOWEST, HIGHEST = 60.0, 600.0  # Hz
CANDIDATES = 6  # per frame
UNVOICED = 0.45  # strength that a candidate must exceed to be believed
SWITCH = 0.14  # cost of going from voiced to unvoiced and back
LEAP = 0.7  # cost of a leap by an octave
OCTAVE = 0.01  # by which a candidate is preferred to the one an octave below
QUIET = 35.0  # dB below the loudest frame: no voice


@dataclass(frozen=True)
class Pitch:
    """A pitch track.

    Attributes
    ----------
    frequency : ndarray, shape (frames,)
        Hz; 0 where unvoiced.
    strength : ndarray, shape (frames,)
        Normalised autocorrelation at the chosen period, in (0, 1).
    """

    frequency: NDArray[np.float64]
    strength: NDArray[np.float64]

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Where there is a voice."""
        return self.frequency > 0

    @property
    def octaves(self) -> NDArray[np.float64]:
        """Octaves above 100 Hz; 0 where unvoiced."""
        return np.asarray(np.log2(np.where(self.voiced, self.frequency, 100.0) / 100.0))

    @property
    def harmonicity(self) -> NDArray[np.float64]:
        """Decibels by which what repeats is stronger than what does not."""
        return np.asarray(10 * np.log10(self.strength / (1 - self.strength)))


def track(sound: Samples) -> Pitch:
    """Follow the pitch of a mono 16 kHz sound.

    Autocorrelation, divided by the window's own, gives candidates; dynamic programming picks the path
    that is strong and leaps little.

    References
    ----------
    Boersma 1993, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
    ratio of a sampled sound", IFA Proceedings 17; Talkin 1995, "A robust algorithm for pitch tracking".
    """
    frames = framed(sound, WINDOW, HOP)
    correlation = _autocorrelation(frames)
    shortest = int(RATE / HIGHEST)
    inner = correlation[:, shortest:-1]
    lags = np.arange(shortest, shortest + inner.shape[1])
    peaks = (inner > correlation[:, shortest - 1 : -2]) & (inner >= correlation[:, shortest + 1 :])
    strengths = np.where(peaks, inner - OCTAVE * np.log2(lags * LOWEST / RATE), -1.0)
    chosen = np.argpartition(-strengths, CANDIDATES, axis=1)[:, :CANDIDATES]
    energy = np.einsum("ij,ij->i", frames, frames)
    quiet = energy < energy.max() * 10 ** (-QUIET / 10)
    path = _best_path(np.take_along_axis(strengths, chosen, axis=1), np.log2(lags[chosen]), quiet)
    voiced = path < CANDIDATES
    lag = lags[chosen[np.arange(len(path)), np.minimum(path, CANDIDATES - 1)]]
    before, here, after = (correlation[np.arange(len(lag)), lag + step] for step in (-1, 0, 1))
    bend = before - 2 * here + after
    # The peak lies between samples: a parabola through three of them says where.
    shift = np.clip(0.5 * (before - after) / np.where(np.abs(bend) > 1e-9, bend, np.inf), -0.5, 0.5)
    return Pitch(np.where(voiced, RATE / (lag + shift), 0.0), np.clip(here, 1e-3, 1 - 1e-3))


def _autocorrelation(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the normalised autocorrelation up to the longest period, shape (frames, lags)."""
    longest = int(RATE / LOWEST) + 2
    window = np.hanning(WINDOW).astype(np.float32)
    size = fft.next_fast_len(WINDOW + longest, real=True)  # beyond it nothing wraps around

    def correlate(signal: NDArray[np.float32]) -> NDArray[np.float32]:
        transformed = fft.rfft(signal, size, axis=-1)
        power = np.square(transformed.real) + np.square(transformed.imag)
        return np.asarray(fft.irfft(power, size, axis=-1)[..., :longest])

    ours, its = correlate(frames * window), correlate(window)
    ours /= (ours[:, :1] + np.float32(1e-9)) * (its / its[0])
    return ours


@njit(cache=True)
def _best_path(
    strengths: NDArray[np.float64], octaves: NDArray[np.float64], quiet: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the candidate of each frame; the one after the last stands for unvoiced."""
    frames, unvoiced = strengths.shape
    cost = np.empty((frames, unvoiced + 1))
    cost[:, :unvoiced] = -strengths
    cost[:, unvoiced] = np.where(quiet, -UNVOICED - 1, -UNVOICED)
    came = np.zeros((frames, unvoiced + 1), dtype=np.int64)
    for frame in range(1, frames):
        for here in range(unvoiced + 1):
            least = np.inf
            for before in range(unvoiced + 1):
                if max(here, before) == unvoiced:
                    move = 0.0 if here == before else SWITCH
                else:
                    move = LEAP * abs(octaves[frame - 1, before] - octaves[frame, here])
                total = cost[frame - 1, before] + move
                if total < least:
                    least, came[frame, here] = total, before
            cost[frame, here] += least
    path = np.empty(frames, dtype=np.int64)
    path[-1] = cost[-1].argmin()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came[frame, path[frame]]
    return path
