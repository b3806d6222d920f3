"""The original project's 193 numbers: means over time of five features of a clip."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import librosa
import numpy as np
from numpy.typing import NDArray

from pipeline.acoustics.harmonic import harmonic
from pipeline.audio import RATE, Samples

# The constant-Q transform behind tonnetz halves a clip's rate octave by octave and warns of its lowest ones
# whenever a clip is shorter than two seconds; chroma warns of clips without pitch. Both are as defined.
warnings.filterwarnings("ignore", message="n_fft=.* is too large for input signal", module="librosa")
warnings.filterwarnings("ignore", message="Trying to estimate tuning from empty", module="librosa")


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
        spectrum = librosa.stft(sound)
        magnitude = np.abs(spectrum)
        mel = librosa.feature.melspectrogram(S=magnitude**2, sr=self.rate, n_mels=self.n_mels)
        # librosa's own mfcc(y=…) takes 128 bands whatever n_mels says elsewhere.
        cepstrum = mel if self.n_mels == 128 else librosa.feature.melspectrogram(S=magnitude**2, sr=self.rate)
        lasting = librosa.istft(harmonic(spectrum), length=len(sound), dtype=sound.dtype)
        features = (
            librosa.feature.mfcc(S=librosa.power_to_db(cepstrum), sr=self.rate, n_mfcc=self.n_mfcc),
            librosa.feature.chroma_stft(S=magnitude, sr=self.rate),
            mel,
            librosa.feature.spectral_contrast(S=magnitude, sr=self.rate),
            librosa.feature.tonnetz(y=lasting, sr=self.rate),
        )
        return np.concatenate([feature.mean(axis=1) for feature in features]).astype(np.float32)

    def stack(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return a table, shape (len(clips), len(names))."""
        return np.stack(clips)
