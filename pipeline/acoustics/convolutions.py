"""Convolutions: how often and how strongly a voice moves in each of many random ways, in numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.acoustics.analysis import analyse
from pipeline.acoustics.descriptors import BANDS, NAMES, SPEECH
from pipeline.acoustics.pitch import Pitch
from pipeline.audio import Samples

LENGTH = 9  # frames that a kernel looks at
DILATIONS = (1, 2, 4, 8, 16)  # frames between two of them: kernels span from 90 ms to 1.3 s
MOST = 8  # contours that one kernel reads
HIGH = np.float32(0.5)  # output above which a kernel has found what it looks for
# What is read, and by how much it typically moves in speech: that much counts as 1.
MOVES = {
    **{
        f"cepstrum_{i:02d}": move
        for i, move in enumerate((11, 8, 5, 4, 3.3, 2.7, 2.4, 1.9, 1.8, 1.7, 1.5, 1.5, 1.4, 1.4), start=1)
    },
    **{
        "energy": 9,
        "centroid": 1500,
        "spread": 600,
        "flatness": 2,
        "alpha": 12,
        "hammarberg": 14,
        "flux": 0.2,
    },
}
PITCH, HARMONICITY = 0.7, 10.0  # octaves, dB
BAND = 2.0  # of the natural logarithm of a mel band's power
SOURCES = {"course": len(MOVES) + 2, "bands": BANDS}  # and how many contours each has

Frames = NDArray[np.float32]  # shape (frames, contours)


@dataclass(frozen=True)
class Convolutions:
    """What random kernels find in the course of a clip's descriptors and in its mel bands.

    Each kernel has random weights over nine frames of a few contours. Of its output two numbers are kept:
    the share of frames in which it is high, and the logarithm of its spread. Nothing is learned, and
    nothing is taken from other clips. The kernels see what statistics of single contours do not: in which
    order, and together with what, a voice moves.

    Parameters
    ----------
    kernels : int
        For each source and dilation.

    References
    ----------
    Dempster, Petitjean & Webb 2020, "ROCKET: exceptionally fast and accurate time series classification
    using random convolutional kernels", Data Mining and Knowledge Discovery 34.
    """

    kernels: int = 300

    @property
    def names(self) -> tuple[str, ...]:
        """The numbers' names, e.g. ``"course_16_007.share"``: source, dilation and number of the kernel."""
        return tuple(
            f"{source}_{dilation}_{i:03d}.{number}"
            for source in SOURCES
            for dilation in DILATIONS
            for number in ("share", "spread")
            for i in range(self.kernels)
        )

    def __call__(self, sound: Samples) -> NDArray[np.float32]:
        """Return the numbers of one sound, shape (len(names),)."""
        told = analyse(sound)
        said = told.energy > told.energy.max() - SPEECH  # quieter frames are left out
        frames = {"course": course(told.contours, told.pitch), "bands": bands(told.contours)}
        found = [found for source in SOURCES for found in self._found(source, frames[source][said])]
        return np.asarray(np.concatenate(found), dtype=np.float32)

    def _found(self, source: str, frames: Frames) -> Iterator[Frames]:
        """Yield what the kernels of each dilation find, shares first."""
        contours = (frames - (frames.mean(axis=0) if source == "course" else frames.mean())).T.copy()
        for dilation, weights, read in zip(DILATIONS, *_drawn(self.kernels, SOURCES[source]), strict=True):
            margin = (LENGTH - 1) // 2 * dilation
            yield from _convolve(np.pad(contours, ((0, 0), (margin, margin))), weights, read, dilation)

    def stack(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return a table, shape (len(clips), len(names))."""
        return np.stack(clips)


def course(contours: NDArray[np.float64], pitch: Pitch) -> Frames:
    """Return spectral shape, energy, pitch and harmonicity in units of what they typically move by."""
    read = contours[:, [NAMES.index(name) for name in MOVES]] / np.array(list(MOVES.values()))
    harmonicity = np.clip(pitch.harmonicity, -20, 30)
    return np.asarray(
        np.column_stack([read, pitch.octaves / PITCH, harmonicity / HARMONICITY]), dtype=np.float32
    )


def bands(contours: NDArray[np.float64]) -> Frames:
    """Return the log mel bands in units of what they typically move by."""
    return np.asarray(contours[:, -BANDS:] / BAND, dtype=np.float32)


@cache
def _drawn(kernels: int, contours: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the weights of the kernels of each dilation, and which contours each of them reads.

    The shapes are (dilations, kernels, contours, LENGTH) and (dilations, kernels, contours). A kernel reads
    few contours more often than many; over the frames of a contour its weights sum to 0.
    """
    rng = np.random.RandomState(contours)  # whose numbers no version of numpy changes
    weights = np.zeros((len(DILATIONS), kernels, contours, LENGTH), dtype=np.float32)
    for kernel in weights.reshape(-1, contours, LENGTH):
        read = rng.permutation(contours)[: int(2 ** rng.uniform(0, np.log2(MOST + 1)))]
        values = rng.normal(size=(LENGTH, len(read)))
        values -= values.mean(axis=0)
        kernel[read] = (values / np.sqrt((values**2).sum())).T
    return weights, np.asarray(weights.any(axis=-1))


# The order of sums is left to the compiler, so that the processor can take several terms at a time.
@njit(cache=True, fastmath={"reassoc", "contract"})
def _convolve(
    padded: Frames, weights: NDArray[np.float32], read: NDArray[np.bool_], dilation: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the share of frames in which each kernel is high, and the logarithm of its spread.

    Parameters
    ----------
    padded : ndarray, shape (contours, frames and half a kernel on either side)
    weights : ndarray, shape (kernels, contours, LENGTH)
    read : ndarray, shape (kernels, contours)
        Whether a kernel reads a contour.
    dilation : int
        Frames between two that a kernel looks at.
    """
    kernels, contours, _ = weights.shape
    frames = padded.shape[1] - (LENGTH - 1) * dilation
    share, spread = np.empty(kernels, dtype=np.float32), np.empty(kernels, dtype=np.float32)
    output = np.empty(frames, dtype=np.float32)
    for kernel in range(kernels):
        output[:] = 0
        for contour in range(contours):
            if not read[kernel, contour]:
                continue
            for i in range(LENGTH):
                weight = weights[kernel, contour, i]
                seen = padded[contour, i * dilation : i * dilation + frames]
                for frame in range(frames):
                    output[frame] += weight * seen[frame]
        mean, high, square = np.float32(output.sum() / frames), 0, np.float32(0)
        for value in output:
            high += value > HIGH
            square += (value - mean) ** 2
        share[kernel] = high / frames
        spread[kernel] = np.log(np.sqrt(square / frames) + 0.01)
    return share, spread
