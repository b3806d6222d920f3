import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks import seed_features
from benchmarks.seed_features import difference

RNG = np.random.default_rng(0)
CLASSES = ["anger", "happy", "neutral", "sad"]


def test_overlapping_splits_are_no_independent_witnesses():
    """Nadeau & Bengio: at 75/25 over ten splits the variance is (1/10 + 1/3) times the differences' own."""
    b = RNG.normal(0.72, 0.01, 10)
    a = b + RNG.normal(0.01, 0.008, 10)
    found = difference(a, b, 0.25)
    plain = stats.ttest_rel(a, b)
    assert found["mean"] == pytest.approx((a - b).mean())
    assert found["sd"] == pytest.approx((a - b).std(ddof=1))
    corrected = plain.statistic * np.sqrt(0.1 / (0.1 + 1 / 3))
    assert found["p"] == pytest.approx(2 * stats.t(9).sf(abs(corrected)))
    assert found["p"] > plain.pvalue
    low, high = plain.confidence_interval()
    assert found["low"] < low < high < found["high"]


def test_no_difference_is_none():
    same = np.linspace(0.7, 0.8, 10)
    assert difference(same, same, 0.25) == {"mean": 0, "sd": 0, "low": 0, "high": 0, "p": 1}


def test_one_command_counts_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """On labels without meaning the published way of counting still finds something to praise."""
    X = RNG.normal(0, 1, (80, 20)).astype(np.float32)
    np.savez(tmp_path / "features.npz", X=X, y=RNG.permutation(np.repeat(CLASSES, 20)))
    monkeypatch.setattr(seed_features, "SEEDS", range(2))
    command = [str(tmp_path / "features.npz"), "--json", str(tmp_path / "scores.json"), "--jobs", "1"]
    monkeypatch.setattr(sys, "argv", ["seed_features", *command])
    seed_features.main()
    told = json.loads((tmp_path / "scores.json").read_text())
    kinds = ("original, tree", "original, flat", "ours, tree", "ours, flat")
    assert [(s["seed"], s["model"]) for s in told["scores"]] == [(n, kind) for n in (0, 1) for kind in kinds]
    assert max(s["held_out"] for s in told["scores"]) < 0.55
    assert min(s["contaminated"] for s in told["scores"] if "original" in s["model"]) > 0.7
    said = capsys.readouterr().out
    assert "**the same voices are on both sides of every split**" in said
    assert [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("| o")] == [
        *kinds,
        *told["differences"],
    ]
