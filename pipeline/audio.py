"""The one place that reads and writes sound: bytes or a file become mono 16 kHz float32, or an `AudioError`.

Training and service share it, so that a model is asked about the same samples it learned from.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

RATE = 16_000  # Hz: speech keeps what its emotion needs, and CREMA-D has no more
MAX_BYTES = 64 * 2**20
MAX_SECONDS = 600.0
MIN_SECONDS = 0.1  # a shorter sound has not one syllable
MAX_CHANNELS = 8
MAX_SAMPLES = 2**26  # over all channels: ten minutes of 48 kHz stereo; a small file can claim far more
RATES = (4_000, 192_000)  # Hz: below, no voice; above, no recorder
SILENCE = 10 ** (-70 / 20)  # peak below -70 dB of full scale: nothing was said

Samples = NDArray[np.float32]


class AudioError(ValueError):
    """A sound that cannot be used.

    Attributes
    ----------
    code : str
        One word for programs: ``empty``, ``unreadable``, ``pointer``, ``long``, ``short``, ``silent``,
        ``large``, ``rate``, ``channels``.
    message, hint : str
        For people: what is wrong and what to do.
    """

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(f"{message}: {hint}")
        self.code, self.message, self.hint = code, message, hint


@dataclass(frozen=True)
class Sound:
    """A decoded recording.

    Attributes
    ----------
    samples : ndarray of float32, shape (n,)
        Mono, 16 kHz, within [-1, 1].
    native : ndarray of float32, shape (n_native, channels)
        As recorded.
    native_rate : int
        Hz.
    """

    samples: Samples
    native: Samples
    native_rate: int

    @property
    def channels(self) -> int:
        """Channels of the recording."""
        return int(self.native.shape[1])

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.native) / self.native_rate


def decode(source: bytes | Path) -> Sound:
    """Decode a recording by its content, whatever its name says.

    Parameters
    ----------
    source : bytes or Path
        WAV, AIFF, FLAC, Ogg or MP3.

    Returns
    -------
    Sound

    Raises
    ------
    AudioError
        Saying what is wrong with the recording and what to do.
    OSError
        Where the file itself cannot be opened.
    """
    data = _read(source) if isinstance(source, Path) else source
    _refuse_what_is_no_sound(data)
    try:
        with sf.SoundFile(io.BytesIO(data)) as file:
            _refuse_header(file)
            native = file.read(dtype="float32", always_2d=True)
            rate = file.samplerate
    except sf.LibsndfileError as error:
        raise AudioError(
            "unreadable", "this is not a sound file that can be read", "send WAV, FLAC, Ogg, MP3 or AIFF"
        ) from error
    _refuse_samples(native, rate)
    mono = native.mean(axis=1)
    samples = mono if rate == RATE else soxr.resample(mono, rate, RATE)
    return Sound(np.clip(samples, -1, 1).astype(np.float32, copy=False), native, rate)


def write(samples: Samples, path: Path) -> None:
    """Write mono 16 kHz samples within [-1, 1] as FLAC of 24 bits, which keep float32's precision.

    With 16 bits training would hear other samples than the service.

    Raises
    ------
    OSError
        Where there is no room for the file.
    """
    encoded = io.BytesIO()  # libsndfile alone would not say that the disk is full
    sf.write(encoded, samples, RATE, format="FLAC", subtype="PCM_24")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.getvalue())


def _read(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise _too_large()
    return path.read_bytes()


def _too_large() -> AudioError:
    return AudioError(
        "large", f"the file is larger than {MAX_BYTES // 2**20} MiB", "send a shorter recording"
    )


def _refuse_what_is_no_sound(data: bytes) -> None:
    if not data:
        raise AudioError("empty", "the file is empty", "record or choose it again")
    if len(data) > MAX_BYTES:
        raise _too_large()
    if data.startswith(b"version https://git-lfs"):
        raise AudioError(
            "pointer",
            "this is a git-lfs pointer, not the sound it stands for",
            "fetch the file with git lfs pull",
        )


def _refuse_header(file: sf.SoundFile) -> None:
    low, high = RATES
    if not low <= file.samplerate <= high:
        raise AudioError(
            "rate", f"a sampling rate of {file.samplerate} Hz is no voice's", f"use {low} to {high} Hz"
        )
    if file.channels > MAX_CHANNELS:
        raise AudioError(
            "channels", f"the file has {file.channels} channels", f"mix it down to {MAX_CHANNELS} or fewer"
        )
    if file.frames / file.samplerate > MAX_SECONDS or file.frames * file.channels > MAX_SAMPLES:
        raise AudioError(
            "long",
            f"the recording is longer than {MAX_SECONDS:.0f} s or holds too many samples",
            "cut out the part that you want to know about",
        )


def _refuse_samples(native: Samples, rate: int) -> None:
    if len(native) < MIN_SECONDS * rate:
        raise AudioError("short", f"the recording is shorter than {MIN_SECONDS} s", "record at least a word")
    if not np.isfinite(native).all():
        raise AudioError("unreadable", "the recording holds samples that are not numbers", "export it again")
    if np.abs(native).max() < SILENCE:
        raise AudioError("silent", "the recording is silent", "check the microphone and record again")
