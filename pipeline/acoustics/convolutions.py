"""Convolutions: how often and how strongly a voice moves in each of many random ways, in numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.acoustics.analysis import analyse
from pipeline.acoustics.descriptors import BANDS, NAMES, SPEECH
from pipeline.acoustics.pitch import Pitch
from pipeline.audio import Samples

LENGTH = 9  # frames that a kernel looks at
DILATIONS = (1, 2, 4, 8, 16)  # frames between two of them: kernels span from 90 ms to 1.3 s
MOST = 8  # contours that one kernel reads
HIGH = 0.5  # output above which a kernel has found what it looks for
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
        frames = frames - (frames.mean(axis=0) if source == "course" else frames.mean())
        for dilation, weights in zip(DILATIONS, _weights(self.kernels, SOURCES[source]), strict=True):
            margin = (LENGTH - 1) // 2 * dilation
            padded = np.pad(frames, ((margin, margin), (0, 0)))
            seen = [padded[i * dilation : i * dilation + len(frames)] for i in range(LENGTH)]
            output = np.concatenate(seen, axis=1) @ weights
            yield (output > HIGH).mean(axis=0)
            yield np.log(output.std(axis=0) + 0.01)

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
def _weights(kernels: int, contours: int) -> tuple[Frames, ...]:
    """Return the weights of all kernels of each dilation, shape (LENGTH × contours, kernels).

    A kernel reads few contours more often than many; over the frames of a contour its weights sum to 0.
    """
    rng = np.random.RandomState(contours)  # whose numbers no version of numpy changes
    drawn = []
    for _ in DILATIONS:
        weights = np.zeros((kernels, LENGTH, contours), dtype=np.float32)
        for kernel in weights:
            read = rng.permutation(contours)[: int(2 ** rng.uniform(0, np.log2(MOST + 1)))]
            values = rng.normal(size=(LENGTH, len(read)))
            values -= values.mean(axis=0)
            kernel[:, read] = values / np.sqrt((values**2).sum())
        drawn.append(np.ascontiguousarray(weights.reshape(kernels, -1).T))
    return tuple(drawn)
