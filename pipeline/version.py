"""A version of the detector as one folder: itself, what is known of it, and its card.

`pipeline.release` leaves such a folder, `pipeline.bundle` puts one into the BentoML model store, and the
service opens either.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipeline.audio import RATE
from pipeline.detector import ABOUT, Detector, about
from pipeline.taxonomy import Node

FACTS, CARD = "model.json", "card.md"
KEPT = ("taxonomy", "architecture", "view", "protocol", "augmentation", "commit", "splits")  # of a run's tags
NEAR = 0.05  # by which the probabilities of the probe may differ from one machine to another


class UnfitError(ValueError):
    """A version that must not serve, and why."""


@dataclass(frozen=True)
class Version:
    """One version of the detector.

    Attributes
    ----------
    detector : Detector
    facts : dict
        What ``model.json`` says: see `known`; ``answer`` are the probabilities of the probe when it was made.
    card : str or None
        The model card, Markdown.
    """

    detector: Detector
    facts: dict[str, Any]
    card: str | None = None

    @property
    def about(self) -> dict[str, str]:
        """Which model it is, as every answer says it."""
        return {key: self.facts[key] for key in ABOUT if key in self.facts}

    def check(self) -> None:
        """Ask about the probe: a version that answers it wrongly is unfit.

        Raises
        ------
        UnfitError
            Where the probabilities are none, or others than when the version was made, or of other classes.
        """
        detector = self.detector
        if sorted(detector.classes) != list(Node.read(detector.tree).classes):
            raise UnfitError(f"its classes {sorted(detector.classes)} are not those of its tree")
        answer = probe(detector)
        chances = np.array(list(answer.values()))
        if not (np.isfinite(chances).all() and (chances >= 0).all() and abs(chances.sum() - 1) < 1e-6):
            raise UnfitError(f"its probabilities are none: {answer}")
        stored = self.facts.get("answer", answer)
        if (classes := sorted(self.facts.get("classes", stored))) != sorted(answer):
            raise UnfitError(f"it answers with {sorted(answer)} and was stored with {classes}")
        if (gap := max(abs(answer[name] - stored[name]) for name in answer)) > NEAR:
            raise UnfitError(
                f"it answers otherwise than when it was stored, by {gap:.2f}: it was made with other code"
            )

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Open a version; None where the folder holds none.

        Raises
        ------
        OSError, ValueError
            Where it is not whole.
        skops.io.exceptions.UntrustedTypesFoundException
            Where it asks for anything but what a detector holds.
        """
        told, stored = next(folder.rglob(FACTS), None), next(folder.rglob("detector.skops"), None)
        if told is None or stored is None:
            return None
        card = told.with_name(CARD)
        facts = json.loads(told.read_text(encoding="utf-8"))
        return cls(Detector.load(stored.parent), facts, card.read_text("utf-8") if card.is_file() else None)

    def describe(self, folder: Path) -> None:
        """Write all but the detector itself, whose answer to the probe is added."""
        told = {**self.facts, "answer": probe(self.detector)}
        text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
        (folder / FACTS).write_text(text, encoding="utf-8")
        if self.card is not None:
            (folder / CARD).write_text(self.card, encoding="utf-8")


def known(
    name: str, number: str, date: str, tags: Mapping[str, str], metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Return what is to be known of a registered version.

    Parameters
    ----------
    name, number : str
        Of the registry.
    date : str
        ISO 8601, of its training.
    tags, metrics : mapping
        Of its run.
    """
    whole = {  # scores of all clips, not of groups
        key: value
        for key, value in sorted(metrics.items())
        if key.startswith(("test.", "validation.")) and key.count(".") == 1
    }
    return {
        **about(name, number, tags["trained_on"]),
        "date": date,
        "corpora": tags.get("corpora", "").split("+"),
        **{key: tags[key] for key in KEPT if key in tags},
        "metrics": whole,
    }


def probe(detector: Detector) -> dict[str, float]:
    """Return the probabilities for two seconds of a hum that swells, rises and falls silent.

    Code that computes the views otherwise than when the detector learned answers otherwise.
    """
    time = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * (200 * time + 50 * time**2)  # from 200 to 400 Hz
    hum = np.sum([np.sin(k * phase) / k for k in range(1, 11)], axis=0)
    hum *= 0.2 * np.sin(np.pi * np.clip(time - 0.5, 0, 1))
    return detector.detect(hum.astype(np.float32)).probabilities
