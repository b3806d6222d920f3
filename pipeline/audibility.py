"""What may spoil an answer about a sound that can be used: quiet, clipped, full of pauses, from a telephone.

Thresholds were set where no more than a few of RAVDESS's and TESS's studio recordings lie beyond.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import RATE, Samples, Sound

FRAME = 400  # samples of 16 kHz, 25 ms: shorter than any syllable
VOICE = 20  # frames, half a second: a voice is as loud for that long, a click or a cough is not
QUIET = -55.0  # dB of full scale, of the voice: as loud as a room's noise; 2 % of RAVDESS are below
PAUSE = 30.0  # dB below the voice: the faintest consonants are hardly further down
PAUSES = 0.75  # of the frames: RAVDESS, which has much silence around its sentences, stays below 0.65
RAIL = 0.97  # of full scale: the most that A-law and mu-law hold is 0.98
CLIPPED = 0.0002  # of the samples, each the third or later in a row at the rail: a whole peak has two at most
EDGE = 4_200.0  # Hz: telephones end at 3.4 to 4 kHz
TOP = 7_500.0  # Hz: what is left of 16 kHz by every resampler
TELEPHONE = -40.0  # dB, density above the edge against that within a telephone's band; studios: above -28


@dataclass(frozen=True)
class Warning:
    """What is to be said of a sound beside the answer.

    Attributes
    ----------
    code : str
        One word for programs: ``quiet``, ``clipped``, ``pauses``, ``telephone``, ``long``.
    message, hint : str
        For people: what was heard and what to do.
    """

    code: str
    message: str
    hint: str


def warnings(sound: Sound, longest: float | None = None) -> tuple[Warning, ...]:
    """Say what makes the answer about a sound less sure.

    Parameters
    ----------
    sound : Sound
    longest : float, optional
        Seconds of the longest clips that the model learned from.

    Returns
    -------
    tuple of Warning
    """
    levels = _levels(sound.samples)
    voice = float(np.partition(levels, -VOICE)[-VOICE]) if len(levels) > VOICE else float(levels.min())
    found = []
    if voice < QUIET:
        message = f"the recording is very quiet: the voice is {-voice:.0f} dB below full scale"
        found.append(Warning("quiet", message, "come closer to the microphone or turn it up"))
    if _clipped(sound.native) >= CLIPPED:
        message = "the recording is clipped: its loudest samples are cut off"
        found.append(Warning("clipped", message, "turn the microphone down or keep more distance"))
    if (pauses := float(np.mean(levels < voice - PAUSE))) > PAUSES:
        message = f"the recording is mostly silence: {pauses:.0%} of it"
        found.append(Warning("pauses", message, "cut the silence away"))
    if _telephone(sound):
        message = "the recording has nothing above 4 kHz, like a telephone's"
        found.append(Warning("telephone", message, "record at 16 kHz or more, and not over a telephone line"))
    if longest is not None and sound.duration > longest:
        message = (
            f"the recording is {sound.duration:.1f} s long; the model's clips were {longest:.1f} s or less"
        )
        found.append(Warning("long", message, "send a sentence at a time, or ask for the timeline"))
    return tuple(found)


def _levels(samples: Samples) -> NDArray[np.float32]:
    """Return the level of each frame, dB of full scale."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    power = np.einsum("ij,ij->i", frames, frames) / np.float32(FRAME)
    return np.asarray(10 * np.log10(power + np.float32(1e-12)))


def _clipped(native: Samples) -> float:
    """Return the share of the samples cut off at either end of the scale, of the worst channel."""
    if max(native.max(), -native.min()) < RAIL:
        return 0.0
    return max(_cut_off(channel) + _cut_off(-channel) for channel in native.T) / len(native)


def _cut_off(channel: Samples) -> int:
    rail = min(float(channel.max()), 1.0)  # what is louder than 1 will be cut off
    if rail < RAIL:
        return 0
    at = channel >= rail
    return int((at[2:] & at[1:-1] & at[:-2]).sum())


def _telephone(sound: Sound) -> bool:
    """Whether the sound is empty above a telephone's band, or its rate has no room there."""
    top = min(TOP, 0.45 * sound.native_rate)
    if top <= EDGE:
        return True
    size = 512
    if len(sound.samples) < size:
        return False
    frames = sound.samples[: len(sound.samples) // size * size].reshape(-1, size)
    window = np.hanning(size).astype(np.float32)
    spectrum = np.fft.rfft(frames * window)
    density = np.einsum("ij,ij->j", spectrum.real, spectrum.real)
    density += np.einsum("ij,ij->j", spectrum.imag, spectrum.imag)
    hertz = np.arange(size // 2 + 1) * RATE / size
    above = density[(hertz >= EDGE) & (hertz <= top)].mean()
    within = density[(hertz >= 300) & (hertz <= 3_400)].mean()
    return bool(above < within * 10 ** (TELEPHONE / 10))
