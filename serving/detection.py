"""The answer about one sound: what a thread computes from its bytes."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.audibility import warnings
from pipeline.audio import RATE, SILENCE, AudioError, Samples, decode
from pipeline.detector import Detector
from pipeline.version import Version
from serving import picture
from serving.answers import Answer, Model, Notice, Window
from serving.settings import Settings


@dataclass(frozen=True)
class Wanted:
    """What is asked for beside the answer."""

    timeline: bool = False
    picture: bool = False


def answer(data: bytes, name: str | None, version: Version, wanted: Wanted, settings: Settings) -> Answer:
    """Answer about an encoded sound.

    Raises
    ------
    AudioError
        Where it cannot be used.
    """
    sound = decode(data)
    if sound.duration > settings.max_seconds:
        message = f"the recording is longer than {settings.max_seconds:g} s"
        raise AudioError("long", message, "cut out the part that you want to know about")
    more: dict[str, Any] = {}
    if wanted.timeline:
        more["timeline"] = timeline(sound.samples, version.detector, settings)
    if wanted.picture:
        more["picture"] = picture.draw(sound.samples)
    return Answer(
        file=name,
        **version.detector.detect(sound.samples).to_dict(),
        seconds=sound.duration,
        warnings=[Notice(**asdict(found)) for found in warnings(sound, settings.longest)],
        model=Model(**version.about),
        **more,
    )


def timeline(samples: Samples, detector: Detector, settings: Settings) -> list[Window]:
    """Return the answers about one window after the other, but for those in which nothing is to be heard."""
    spans = [
        span
        for span in windows(len(samples), settings)
        if np.abs(samples[span[0] : span[1]]).max() >= SILENCE
    ]
    if not spans:  # windows that are far apart may miss what there is
        return []
    table = detector.probabilities([samples[start:end] for start, end in spans])
    judged = []
    for (start, end), row in zip(spans, table, strict=True):
        best = int(row.argmax())
        judged.append(
            Window(
                start=start / RATE,
                end=end / RATE,
                emotion=detector.classes[best],
                probabilities=dict(zip(detector.classes, map(float, row), strict=True)),
                unsure=bool(row[best] < detector.unsure),
            )
        )
    return judged


def windows(length: int, settings: Settings) -> list[tuple[int, int]]:
    """Return where windows begin and end, in samples; a sound that is hardly longer has one.

    Parameters
    ----------
    length : int
        Of the sound, in samples.
    settings : Settings
        ``window``, ``hop`` and ``max_windows``.
    """
    window, hop = round(settings.window * RATE), round(settings.hop * RATE)
    if length <= window + hop:
        return [(0, length)]
    count = min(-(-(length - window) // hop) + 1, settings.max_windows)
    starts = [length - window] if count == 1 else np.linspace(0, length - window, count).round().astype(int)
    return [(int(start), int(start) + window) for start in starts]
