import itertools

import numpy as np
import pandas as pd
import pytest
from tables import SIX, drawn, table

from pipeline import bootstrap, evaluation

FOUR_SPEAKERS = {"ravdess-01": 0.2, "ravdess-02": 0.4, "tess-03": 0.7, "tess-04": 0.9}


def test_interval_is_what_scoring_every_resample_gives():
    clips = drawn(FOUR_SPEAKERS, 20, seed=2, both_parts=False)
    clips.loc[clips["speaker"] == "tess-03", "label"] = "sad"  # some resamples lack classes
    group = evaluation._group(clips, SIX, seed=7)
    by_speaker = dict(list(clips.groupby("speaker")))
    again = []
    for weights in bootstrap.draws(4, seed=7).astype(int):
        resample = pd.concat(
            [by_speaker[s] for s, n in zip(sorted(by_speaker), weights, strict=True) for _ in range(n)]
        )
        again.append(evaluation.scores(resample["label"], resample["predicted"]))
        if len(again) == 40:
            break
    counts = bootstrap.counts(clips, SIX)
    measured = bootstrap.measures(bootstrap.resample(counts, bootstrap.draws(4, seed=7)))
    for name in ("uar", "accuracy", "macro_f1"):
        assert measured[name][:40] == pytest.approx([scored[name] for scored in again])
        assert group[f"{name}_low"] == pytest.approx(np.percentile(measured[name], 2.5))
        assert group[f"{name}_high"] == pytest.approx(np.percentile(measured[name], 97.5))


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    covered = 0
    for trial in range(100):
        accuracies = {f"ravdess-{n:02d}": float(rng.uniform(0.3, 0.7)) for n in range(24)}
        group = evaluation._group(drawn(accuracies, 30, seed=trial, both_parts=False), SIX, seed=trial)
        covered += group["uar_low"] <= 0.5 <= group["uar_high"]
    assert 86 <= covered <= 100


def test_counts_may_be_of_parts_of_a_clip():
    clips = table(["sad", "sad"], ["sad", "fear"], ["tess-01", "tess-01"])
    counted = bootstrap.counts(clips, SIX, [0.5, 0.25])
    assert counted.shape == (1, 6, 6)
    assert (counted[0, 5, 5], counted[0, 5, 2], counted.sum()) == (0.5, 0.25, 0.75)


def test_swapped_is_what_scoring_every_exchange_gives():
    truth = np.tile(SIX, 4)
    speakers = [f"ravdess-{n:02d}" for n in range(6)]
    a, b = (
        drawn(dict.fromkeys(speakers, right), 24, seed, both_parts=False)
        for right, seed in ((0.7, 1), (0.5, 2))
    )
    assert list(truth) == list(a["label"][:24])
    gaps = []
    for exchange in itertools.product([False, True], repeat=6):
        mixed = a["speaker"].map(dict(zip(speakers, exchange, strict=True)))
        ours, theirs = (
            b["predicted"].where(mixed, a["predicted"]),
            a["predicted"].where(mixed, b["predicted"]),
        )
        gaps.append(evaluation.scores(a["label"], ours)["uar"] - evaluation.scores(a["label"], theirs)["uar"])
    expected = np.mean(np.abs(gaps) >= abs(gaps[0]) - 1e-12)
    found = bootstrap.swapped(bootstrap.counts(a, SIX), bootstrap.counts(b, SIX), seed=0)
    assert found == pytest.approx(expected)


def test_swapped_finds_a_difference_by_chance_as_often_as_it_says():
    rng = np.random.default_rng(5)
    found = []
    for trial in range(200):
        accuracies = {f"ravdess-{n:02d}": float(rng.uniform(0.3, 0.7)) for n in range(10)}
        pair = (drawn(accuracies, 18, seed=2 * trial + k, both_parts=False) for k in (0, 1))
        found.append(bootstrap.swapped(*(bootstrap.counts(clips, SIX) for clips in pair), seed=trial))
    assert 2 <= np.sum(np.array(found) <= 0.05) <= 20  # 10 expected


def test_apart_covers_the_gap_between_two_groups_about_as_often_as_it_says():
    rng = np.random.default_rng(6)
    covered = 0
    for trial in range(100):
        groups = []
        for k, middle in enumerate((0.6, 0.4)):
            accuracies = {
                f"ravdess-{n:02d}": float(rng.uniform(middle - 0.2, middle + 0.2)) for n in range(16)
            }
            clips = drawn(accuracies, 30, seed=2 * trial + k, both_parts=False)
            groups.append(bootstrap.counts(clips, SIX))
        gap = bootstrap.apart(*groups, seed=trial)
        covered += gap["low"] <= 0.2 <= gap["high"]
    assert 86 <= covered <= 100


def test_apart_needs_two_speakers_on_either_side():
    one, two = (
        bootstrap.counts(drawn(voices, 30, seed=1, both_parts=False), SIX)
        for voices in ({"ravdess-01": 1.0}, {"ravdess-02": 0.0, "ravdess-04": 0.0})
    )
    assert bootstrap.apart(one, two, seed=0) == {"difference": 1.0, "low": None, "high": None}
    assert bootstrap.apart(two, one, seed=0)["difference"] == -1.0
    assert bootstrap.apart(two, two, seed=0) == {"difference": 0.0, "low": 0.0, "high": 0.0}


def test_two_speakers_prove_nothing():
    best = drawn({"tess-01": 1.0, "tess-02": 1.0}, 60, seed=1, both_parts=False)
    worst = drawn({"tess-01": 0.0, "tess-02": 0.0}, 60, seed=1, both_parts=False)
    pair = (bootstrap.counts(clips, SIX) for clips in (best, worst))
    assert bootstrap.swapped(*pair, seed=0) == 0.5
