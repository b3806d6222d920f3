"""Small clips with something to learn in them, and a monitor that keeps what it is told."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.architectures import Monitor

BANDS = 32
CLASSES = ("anger", "happy", "sad")


class StopError(Exception):
    """What a test stops a training with."""


@dataclass
class Keeper(Monitor):
    """Keeps what it hears and what it is given to save; stops a part of the training at an epoch."""

    stop: tuple[str, int] | None = None
    name: str = ""
    heard: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    def epoch(self, number, values):
        if self.stop == (self.name, number):
            raise StopError
        self.heard.append((self.name, number, dict(values)))

    def save(self, state):
        self.kept[self.name] = {name: np.array(values) for name, values in state.items()}

    def saved(self):
        return self.kept.get(self.name)

    def within(self, name):
        return Keeper(self.stop, name, self.heard, self.kept)


def clip(kind: int, speaker: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return decibels: a bright stripe that is steady, trembles or swings, as high as the speaker's voice."""
    beat = np.sin(2 * np.pi * np.arange(frames)[:, np.newaxis] / 8 + rng.uniform(0, 6))
    centre = 12 + speaker + (kind == 2) * 4 * beat
    loud = -60 + 55 * np.exp(-((np.arange(BANDS) - centre) ** 2) / 8) * (1 - (kind == 1) * (beat < 0))
    return np.clip(loud + rng.normal(0, 3, (frames, BANDS)), -80, 0).astype(np.float16)


def spoken(speakers: int = 6, takes: int = 6, seed: int = 0):
    """Return X, y and groups of clips of 30–70 frames."""
    rng = np.random.default_rng(seed)
    said = [(kind, who) for who in range(speakers) for kind in range(3) for _ in range(takes)]
    X = {"logmel": [clip(kind, who, rng.integers(30, 71), rng) for kind, who in said]}
    return X, np.array([CLASSES[kind] for kind, _ in said]), np.array([f"s{who}" for _, who in said])
