"""The original project's 193 numbers: means over time of five features of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.acoustics import spectrum
from pipeline.acoustics.chroma import chroma
from pipeline.acoustics.contrast import contrast
from pipeline.acoustics.harmonic import harmonic
from pipeline.acoustics.mel import mel, mfcc
from pipeline.acoustics.tonnetz import tonnetz
from pipeline.audio import RATE, Samples


@dataclass(frozen=True)
class Statistics:
    """Means over time of MFCC, chroma, mel, spectral contrast and tonnetz.

    The definitions are librosa 0.11's with its defaults (window 2048, hop 512); chroma and contrast are
    taken from the magnitude spectrum and tonnetz from the harmonic part, as the original project did.

    Parameters
    ----------
    n_mfcc : int
        Cepstral coefficients.
    n_mels : int
        Mel bands.
    rate : int
        Hz.

    References
    ----------
    McFee et al. 2015 (librosa); Davis & Mermelstein 1980 (MFCC); Jiang et al. 2002 (spectral contrast);
    Harte, Sandler & Gasser 2006 (tonnetz); Fitzgerald 2010 (harmonic separation).
    """

    n_mfcc: int = 40
    n_mels: int = 128
    rate: int = RATE

    @property
    def names(self) -> tuple[str, ...]:
        """The numbers' names, e.g. ``"mfcc_00"``."""
        sizes = {"mfcc": self.n_mfcc, "chroma": 12, "mel": self.n_mels, "contrast": 7, "tonnetz": 6}
        return tuple(
            f"{name}_{i:0{len(str(size - 1))}d}" for name, size in sizes.items() for i in range(size)
        )

    def __call__(self, sound: Samples) -> NDArray[np.float32]:
        """Return the numbers of one sound, shape (len(names),)."""
        whole = spectrum.transform(sound)
        magnitude = np.abs(whole)
        power = mel(magnitude, self.rate, self.n_mels)
        # librosa's own mfcc(y=…) takes 128 bands whatever n_mels says elsewhere.
        cepstrum = power if self.n_mels == 128 else mel(magnitude, self.rate)
        lasting = spectrum.sound(harmonic(whole, magnitude), len(sound))
        features = (
            mfcc(cepstrum, self.n_mfcc),
            chroma(magnitude, self.rate),
            power,
            contrast(magnitude, self.rate),
            tonnetz(lasting, self.rate),
        )
        return np.concatenate([feature.mean(axis=0) for feature in features]).astype(np.float32)

    def stack(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return a table, shape (len(clips), len(names))."""
        return np.stack(clips)
