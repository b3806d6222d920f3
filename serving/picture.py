"""The picture of a sound: its waveform and its mel spectrogram, both small enough to be sent along."""

import base64

import librosa
import numpy as np
from numpy.typing import NDArray

from pipeline.audio import RATE, Samples
from serving.answers import Picture, Spectrogram

COLUMNS = 1000  # at most: a wide screen has no more to show
BANDS = 64
WINDOW, HOP = 1024, 256  # samples
RANGE = 80.0  # dB below the loudest that can still be seen
BLOCK = 60 * RATE  # samples that are transformed at a time: ten minutes at once would take a gigabyte


def draw(samples: Samples) -> Picture:
    """Return the picture of a mono 16 kHz sound."""
    levels = spectrogram(samples)
    centres = librosa.mel_frequencies(n_mels=BANDS + 2, fmax=RATE / 2)[1:-1]
    return Picture(
        seconds=len(samples) / RATE,
        waveform=[(round(float(low), 4), round(float(high), 4)) for low, high in waveform(samples)],
        spectrogram=Spectrogram(
            bands=BANDS,
            columns=levels.shape[1],
            lowest=round(float(centres[0]), 1),
            highest=round(float(centres[-1]), 1),
            levels=base64.b64encode(levels.tobytes()).decode(),
        ),
    )


def warm_up() -> None:
    """Import once what the first picture would otherwise wait for."""
    spectrogram(np.zeros(WINDOW, np.float32))


def waveform(samples: Samples) -> NDArray[np.float32]:
    """Return the lowest and highest sample of each stretch of time, shape (at most 1000, 2)."""
    starts = _starts(len(samples))
    lows, highs = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    return np.stack([lows, highs], axis=1)


def spectrogram(samples: Samples) -> NDArray[np.uint8]:
    """Return the loudest level of each band in each stretch of time, shape (64, at most 1000)."""
    power = np.concatenate(
        [
            librosa.feature.melspectrogram(
                y=samples[start : start + BLOCK], sr=RATE, n_fft=WINDOW, hop_length=HOP, n_mels=BANDS
            )
            for start in range(0, len(samples), BLOCK)
        ],
        axis=1,
    )
    pooled = np.maximum.reduceat(power, _starts(power.shape[1]), axis=1)
    decibels = librosa.power_to_db(pooled, ref=np.max, top_db=RANGE)
    return np.asarray(np.rint((decibels + RANGE) / RANGE * 255).clip(0, 255), dtype=np.uint8)


def _starts(length: int) -> NDArray[np.intp]:
    """Return where each of at most `COLUMNS` stretches of nearly the same length begins."""
    count = min(length, COLUMNS)
    return np.arange(count) * length // count
