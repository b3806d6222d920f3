"""The one place that reads and writes sound: bytes or a file become mono 16 kHz float32, or an `AudioError`.

Training and service share it, so that a model is asked about the same samples it learned from.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from pipeline import containers

RATE = 16_000  # Hz: speech keeps what its emotion needs, and CREMA-D has no more
MAX_BYTES = 64 * 2**20
MAX_SECONDS = 600.0
MIN_SECONDS = 0.1  # a shorter sound has not one syllable
MAX_CHANNELS = 8
MAX_SAMPLES = 2**26  # over all channels: ten minutes of 48 kHz stereo; a small file can claim far more
RATES = (4_000, 192_000)  # Hz: below, no voice; above, no recorder
SILENCE = 10 ** (-70 / 20)  # peak below -70 dB of full scale: nothing was said
UNKNOWN = 2**63 - 1  # frames, where a stream's header does not say
HINT = "send WAV, FLAC, Ogg, MP3, AIFF, M4A or WebM"

Samples = NDArray[np.float32]


class AudioError(ValueError):
    """A sound that cannot be used.

    Attributes
    ----------
    code : str
        One word for programs: ``empty``, ``unreadable``, ``header``, ``pointer``, ``long``, ``short``,
        ``silent``, ``large``, ``rate``, ``channels``.
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
        WAV, AIFF, FLAC, Ogg or MP3; or one of the containers of `pipeline.containers`.

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
        native, rate = _native(data)
    except AudioError:
        raise
    except containers.TrackError as error:
        raise AudioError("unreadable", str(error), HINT) from error
    except Exception as error:  # damaged files let the libraries fail in any way; the answer is the same
        raise AudioError("unreadable", "this is not a sound file that can be read", HINT) from error
    return _sound(native, rate)


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


class _Memory(io.BytesIO):
    """Bytes as a file whose place is not moved before its beginning, where damaged headers may point."""

    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place, if there is one."""
        try:
            return super().seek(place, whence)
        except (ValueError, OverflowError):  # libsndfile cannot catch these: they would be printed
            return self.tell()


def _native(data: bytes) -> tuple[Samples, int]:
    """Return the samples as recorded, shape (n, channels), and their rate."""
    try:
        file = sf.SoundFile(_Memory(data))
    except sf.LibsndfileError:
        return _joined(data)
    with file:
        if file.frames == UNKNOWN:
            return _joined(data)
        _refuse_promise(file)
        if file.frames > _most(file.samplerate, file.channels):
            raise _too_long()
        return file.read(dtype="float32", always_2d=True), file.samplerate


def _joined(data: bytes) -> tuple[Samples, int]:
    parts: list[Samples] = []
    rate, frames = RATE, 0
    for part, rate in containers.blocks(data):
        frames += len(part)
        if frames > _most(rate, part.shape[1]):
            raise _too_long()
        parts.append(part)
    return np.concatenate(parts or [np.empty((0, 1), np.float32)]), rate


def _most(rate: int, channels: int) -> int:
    """Return how many frames a recording may have, or refuse what it is made of."""
    low, high = RATES
    if not low <= rate <= high:
        raise AudioError("rate", f"a sampling rate of {rate} Hz is no voice's", f"use {low} to {high} Hz")
    if channels > MAX_CHANNELS:
        raise AudioError(
            "channels", f"the file has {channels} channels", f"mix it down to {MAX_CHANNELS} or fewer"
        )
    return min(int(MAX_SECONDS * rate), MAX_SAMPLES // channels)


def _too_long() -> AudioError:
    return AudioError(
        "long",
        f"the recording is longer than {MAX_SECONDS:.0f} s or holds too many samples",
        "cut out the part that you want to know about",
    )


def _refuse_promise(file: sf.SoundFile) -> None:
    """Refuse a header whose sizes no sound could have; libsndfile corrects them and only notes it."""
    promised = max(map(int, re.findall(r": (\d+) \(should be", file.extra_info)), default=0)
    if promised > MAX_BYTES:
        raise AudioError(
            "header",
            f"the header promises {promised / 2**20:.0f} MiB, which the file does not hold",
            "save the recording to a file, not to a pipe, and send it whole",
        )


def _sound(native: Samples, rate: int) -> Sound:
    """Return the recording mixed down and resampled, where there is something to hear."""
    if len(native) < MIN_SECONDS * rate:
        raise AudioError("short", f"the recording is shorter than {MIN_SECONDS} s", "record at least a word")
    with np.errstate(over="ignore", invalid="ignore"):  # finite samples may have an infinite sum
        mono = native.mean(axis=1)
        samples = mono if rate == RATE else soxr.resample(mono, rate, RATE)
    if not np.isfinite(samples).all():
        raise AudioError("unreadable", "the recording holds samples that are not numbers", "export it again")
    if np.abs(samples).max() < SILENCE:
        raise AudioError("silent", "the recording is silent", "check the microphone and record again")
    return Sound(np.clip(samples, -1, 1).astype(np.float32, copy=False), native, rate)
