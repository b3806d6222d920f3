"""What the networks do with log-mel spectrograms before they see them: bring to one form, and alter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]


@dataclass(frozen=True)
class Preparation:
    """Brings a log-mel spectrogram to the form that a network reads; it needs nothing but the clip.

    Parameters
    ----------
    bands : int
        Bands to keep: neighbours are averaged. Must divide the number of bands given.
    frames : int
        As many neighbouring frames are averaged into one.
    trim : float or None
        Frames before the first and after the last that reach this many dB below the loudest are cut off.
    normalise : {"clip", "band", "none"}
        Zero mean and unit variance over the whole clip or over each band of it, or 80 dB to 1.
    """

    bands: int = 64
    frames: int = 2
    trim: float | None = 50.0
    normalise: Literal["clip", "band", "none"] = "clip"

    def __call__(self, clip: NDArray[Any]) -> Frames:
        """Return the network's frames, shape (n, bands), of decibels, shape (frames, bands given).

        Raises
        ------
        ValueError
            Where the clip is no spectrogram or the settings do not fit it.
        """
        values = np.asarray(clip, dtype=np.float32)
        if values.ndim != 2 or not len(values):
            raise ValueError(f"a network reads clips of shape (frames, bands), not {values.shape}")
        if self.bands < 1 or values.shape[1] % self.bands:
            raise ValueError(f"bands must divide the {values.shape[1]} of the view, not be {self.bands!r}")
        if self.normalise not in ("clip", "band", "none"):
            raise ValueError(f"normalise must be clip, band or none, not {self.normalise!r}")
        if self.trim is not None:
            heard = np.flatnonzero(values.max(axis=1) >= values.max() - self.trim)
            values = values[heard[0] : heard[-1] + 1]
        values = values.reshape(len(values), self.bands, -1).mean(axis=2)
        starts = np.arange(0, len(values), self.frames)
        sizes = np.diff(np.append(starts, len(values)))
        values = np.asarray(np.add.reduceat(values, starts) / sizes[:, np.newaxis], dtype=np.float32)
        if self.normalise == "none":
            return np.asarray(values / 80.0 + 1.0, dtype=np.float32)
        axis = 0 if self.normalise == "band" else None
        spread = values.std(axis=axis, keepdims=True)
        return np.asarray((values - values.mean(axis=axis, keepdims=True)) / (spread + 1e-3), np.float32)


def pad(clips: Sequence[Frames], multiple: int = 1) -> tuple[Frames, Frames]:
    """Put clips into one array, the shorter ones filled up with zeros behind.

    Returns
    -------
    values : array of shape (n_clips, longest, bands)
        Where `longest` is a multiple of `multiple`.
    present : array of shape (n_clips, longest)
        1 where a clip has a frame, 0 where it is filled up.
    """
    lengths = np.array([len(clip) for clip in clips])
    longest = -(-lengths.max() // multiple) * multiple
    values = np.zeros((len(clips), longest, clips[0].shape[1]), dtype=np.float32)
    for row, clip in zip(values, clips, strict=True):
        row[: len(clip)] = clip
    return values, (np.arange(longest) < lengths[:, np.newaxis]).astype(np.float32)


@dataclass(frozen=True)
class Augmentation:
    """Alters training clips, anew at each step; 0 turns a change off.

    Parameters
    ----------
    stretch : float
        Slower or faster by at most this share.
    pitch : float
        Moves the spectrum by at most this many bands.
    masks : int
        How many stripes of bands, and of frames, are set to the mean.
    mask_bands, mask_frames : float
        The widest stripe, as a share of the bands and of the clip's frames.
    noise : float
        Spread of Gaussian noise, where the clip's own is 1.
    mixup : float
        Each clip is mixed with another by a share of the Beta(mixup, mixup) distribution.

    References
    ----------
    Park et al. 2019 (SpecAugment), Zhang et al. 2018 (mixup), Jaitly & Hinton 2013 (moving the spectrum).
    """

    stretch: float = 0.15
    pitch: float = 2.0
    masks: int = 2
    mask_bands: float = 0.15
    mask_frames: float = 0.15
    noise: float = 0.1
    mixup: float = 0.2

    def crop(
        self, values: Frames, present: Frames, chosen: NDArray[np.intp], frames: int, rng: np.random.Generator
    ) -> tuple[Frames, Frames]:
        """Return a random stretch of `frames` frames of each chosen clip, slower or faster than it was."""
        lengths = present[chosen].sum(axis=1)
        rates = rng.uniform(1 - self.stretch, 1 + self.stretch, len(chosen))
        starts = rng.uniform(0, np.maximum(lengths - frames * rates, 0.0) + 1e-6)
        places = (starts[:, np.newaxis] + rates[:, np.newaxis] * np.arange(frames)).astype(np.intp)
        there = places < lengths[:, np.newaxis]
        cut = values[chosen[:, np.newaxis], np.where(there, places, 0)]
        return cut * there[:, :, np.newaxis], there.astype(np.float32)

    def alter(self, values: Frames, present: Frames, rng: np.random.Generator) -> Frames:
        """Move the spectrum, add noise, and cover stripes of bands and of frames."""
        n, frames, bands = values.shape
        if self.pitch:
            places = np.arange(bands) + rng.uniform(-self.pitch, self.pitch, (n, 1))
            places = np.clip(places, 0, bands - 1)[:, np.newaxis, :]
            below = np.minimum(places.astype(np.intp), bands - 2)
            part = places - below
            values = np.take_along_axis(values, below, 2) * (1 - part) + part * np.take_along_axis(
                values, below + 1, 2
            )
        if self.noise:
            values = values + np.float32(self.noise) * rng.standard_normal(values.shape, np.float32)
        lengths = present.sum(axis=1)
        for _ in range(self.masks):
            bare = _stripes(bands, np.full(n, bands), self.mask_bands, rng)[:, np.newaxis, :]
            bare = bare | _stripes(frames, lengths, self.mask_frames, rng)[:, :, np.newaxis]
            values = np.where(bare, 0.0, values)
        return np.asarray(values * present[:, :, np.newaxis], dtype=np.float32)

    def mix(
        self, values: Frames, present: Frames, targets: Frames, rng: np.random.Generator
    ) -> tuple[Frames, Frames, Frames]:
        """Mix each clip with another of the batch, and its target with the other's."""
        if not self.mixup:
            return values, present, targets
        n = len(values)
        share = rng.beta(self.mixup, self.mixup, (n, 1)).astype(np.float32)
        share, other = np.maximum(share, 1 - share), rng.permutation(n)
        mixed = share[:, :, np.newaxis] * values + (1 - share[:, :, np.newaxis]) * values[other]
        return (
            mixed,
            np.maximum(present, present[other]),
            share * targets + (1 - share) * targets[other],
        )


def _stripes(size: int, used: NDArray[Any], widest: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return one stripe a clip, shape (n_clips, size), somewhere within the first `used` places."""
    widths = rng.uniform(0, widest, len(used)) * used
    starts = rng.uniform(0, 1, len(used)) * (used - widths)
    places = np.arange(size)
    return np.asarray(
        (places >= starts[:, np.newaxis]) & (places < (starts + widths)[:, np.newaxis]), dtype=np.bool_
    )
