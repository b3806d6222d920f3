"""Spectrum: a sound's short-time Fourier transform and back, as librosa defines it, frames first."""

from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft, signal

from pipeline.audio import Samples

SIZE = 2048  # samples of a frame
HOP = 512  # samples from one frame to the next

Spectrum = NDArray[np.complex64]  # shape (frames, SIZE // 2 + 1)
Magnitudes = NDArray[np.float32]  # of the same shape


@cache
def window() -> NDArray[np.float64]:
    """Return the Hann window of a frame, shape (SIZE,)."""
    return np.asarray(signal.get_window("hann", SIZE))


def framed(sound: NDArray[np.floating], size: int, hop: int) -> NDArray[Any]:
    """Cut a sound into frames around every `hop`-th sample, shape (frames, size); zeros beyond its ends."""
    return sliding_window_view(np.pad(sound, size // 2), size)[::hop]


def transform(sound: Samples) -> Spectrum:
    """Return the spectrum of a sound: ``librosa.stft(sound).T``.

    Transformed in double precision: beside a loud tone, single precision would drown quiet bins.
    """
    return np.asarray(fft.rfft(framed(sound, SIZE, HOP) * window(), axis=1), dtype=np.complex64)


def sound(spectrum: Spectrum, length: int) -> Samples:
    """Return the sound, shape (length,), of a spectrum: ``librosa.istft(spectrum.T, length=length)``."""
    frames = np.fft.irfft(spectrum, SIZE, axis=1) * window()
    overlapping = added(frames)[SIZE // 2 : SIZE // 2 + length]
    weights = added(np.broadcast_to(window() ** 2, frames.shape))[SIZE // 2 : SIZE // 2 + length]
    heard = weights > np.finfo(np.float32).tiny
    overlapping[heard] /= weights[heard]
    return np.pad(overlapping, (0, length - len(overlapping)))


def added(frames: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return frames, shape (n, SIZE), added up where they lie, each `HOP` after the one before."""
    steps = SIZE // HOP
    total = np.zeros((len(frames) + steps - 1, HOP), dtype=np.float32)
    for step in reversed(range(steps)):  # earlier frames first, as librosa: sums are rounded
        total[step : step + len(frames)] += frames[:, step * HOP : (step + 1) * HOP]
    return total.ravel()
