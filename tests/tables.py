"""Predictions tables made up for tests."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

SIX = ("anger", "disgust", "fear", "happy", "neutral", "sad")


def table(
    truth: Sequence[str],
    predicted: Sequence[str],
    speaker: Sequence[str],
    *,
    part: str = "test",
    confidence: float = 0.8,
    classes: Sequence[str] = SIX,
) -> pd.DataFrame:
    """Return a table of clips; a speaker is named corpus-number, and even numbers are women."""
    rows = pd.DataFrame({"label": truth, "predicted": predicted, "speaker": speaker})
    rows["corpus"] = rows["speaker"].str.split("-").str[0]
    rows["sex"] = np.where(rows["speaker"].str.split("-").str[1].astype(int) % 2, "male", "female")
    rows["id"] = [f"{name}-{number:04d}" for number, name in enumerate(speaker)]
    rows["sha256"] = "sha-" + rows["id"]
    rows["fold"] = pd.factorize(rows["speaker"])[0] % 2
    rows["part"] = part
    for name in classes:
        rest = (1 - confidence) / (len(classes) - 1)
        rows[f"p_{name}"] = np.where(rows["predicted"] == name, confidence, rest)
    return rows


def drawn(accuracies: dict[str, float], clips: int, seed: int, *, both_parts: bool = True) -> pd.DataFrame:
    """Return `clips` clips of each speaker, classes in turn, right with the speaker's own probability."""
    rng = np.random.default_rng(seed)
    truth = np.tile(np.array(SIX), -(-clips // len(SIX)))[:clips]
    truths, answers, names = [], [], []
    for speaker, accuracy in accuracies.items():
        wrong = np.roll(SIX, 1)[np.searchsorted(SIX, truth)]
        truths += list(truth)
        answers += list(np.where(rng.random(clips) < accuracy, truth, wrong))
        names += [speaker] * clips
    test = table(truths, answers, names)
    return pd.concat([test, test.assign(part="validation")]) if both_parts else test
