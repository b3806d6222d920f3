"""The log-mel spectrogram: a clip as the networks see it, frame after frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import librosa
import numpy as np
from numpy.typing import NDArray

from pipeline.audio import RATE, Samples


@dataclass(frozen=True)
class LogMel:
    """Mel spectrogram in decibels below the loudest point of the clip.

    Parameters
    ----------
    n_mels : int
        Mel bands.
    window, hop : int
        Samples.
    range_db : float
        Quieter points are raised to this many dB below the loudest.
    rate : int
        Hz.

    References
    ----------
    Stevens, Volkmann & Newman 1937 (mel); McFee et al. 2015 (librosa).
    """

    n_mels: int = 128
    window: int = 1024
    hop: int = 256
    range_db: float = 80.0
    rate: int = RATE

    @property
    def names(self) -> tuple[str, ...]:
        """The bands, named by their centre in Hz."""
        centres = librosa.mel_frequencies(n_mels=self.n_mels + 2, fmax=self.rate / 2)[1:-1]
        return tuple(f"mel_{centre:.0f}_hz" for centre in centres)

    def __call__(self, sound: Samples) -> NDArray[np.float32]:
        """Return decibels in [-range_db, 0], shape (frames, n_mels)."""
        power = librosa.feature.melspectrogram(
            y=sound, sr=self.rate, n_fft=self.window, hop_length=self.hop, n_mels=self.n_mels
        )
        decibels = librosa.power_to_db(power, ref=np.max, top_db=self.range_db)
        return np.asarray(decibels.T, dtype=np.float32)

    def stack(self, clips: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return the clips as they are: each has its own number of frames."""
        return list(clips)
