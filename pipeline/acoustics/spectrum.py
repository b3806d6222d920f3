"""Spectrum: a sound's short-time Fourier transform and back, as librosa defines it, frames first."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft, signal

from pipeline.audio import Samples

SIZE = 2048  # samples of a frame
HOP = 512  # samples from one frame to the next
STEPS = SIZE // HOP  # frames that overlap
BLOCK = 16  # frames that are computed at a time: what they need stays in the processor's cache

Spectrum = NDArray[np.complex64]  # shape (frames, SIZE // 2 + 1)
Magnitudes = NDArray[np.float32]  # of the same shape


@cache
def window() -> NDArray[np.float64]:
    """Return the Hann window of a frame, shape (SIZE,)."""
    return np.asarray(signal.get_window("hann", SIZE))


def framed(sound: NDArray[np.floating], size: int, hop: int) -> NDArray[Any]:
    """Cut a sound into frames around every `hop`-th sample, shape (frames, size); zeros beyond its ends."""
    return sliding_window_view(np.pad(sound, size // 2), size)[::hop]


def blocks(frames: int) -> Iterator[slice]:
    """Yield slices that take so many frames a block at a time."""
    return (slice(first, first + BLOCK) for first in range(0, frames, BLOCK))


def transform(sound: Samples) -> Spectrum:
    """Return the spectrum of a sound: ``librosa.stft(sound).T``.

    Transformed in double precision: beside a loud tone, single precision would drown quiet bins.
    """
    frames = framed(sound, SIZE, HOP)
    spectrum = np.empty((len(frames), SIZE // 2 + 1), dtype=np.complex64)
    for some in blocks(len(frames)):
        spectrum[some] = fft.rfft(frames[some] * window(), axis=1)
    return spectrum


def sound(spectrum: Spectrum, length: int) -> Samples:
    """Return the sound, shape (length,), of a spectrum: ``librosa.istft(spectrum.T, length=length)``."""
    total = np.zeros((len(spectrum) + STEPS - 1, HOP), dtype=np.float32)
    for some in blocks(len(spectrum)):
        frames = np.fft.irfft(spectrum[some], SIZE, axis=1) * window()
        add(frames, total[some.start :])
    weights = np.zeros_like(total)
    add(np.broadcast_to(window() ** 2, (len(spectrum), SIZE)), weights)
    weights[weights <= np.finfo(np.float32).tiny] = 1
    total /= weights
    within = total.ravel()[SIZE // 2 : SIZE // 2 + length]
    return np.pad(within, (0, length - len(within)))


def add(frames: NDArray[np.floating], total: NDArray[np.float32]) -> None:
    """Add frames, shape (n, SIZE), to rows of `HOP` samples, each frame a row after the one before."""
    for step in reversed(range(STEPS)):  # earlier frames first, as librosa: sums are rounded
        total[step : step + len(frames)] += frames[:, step * HOP : (step + 1) * HOP]
