"""Cards of made-up predictions; what `promote` makes of them is in test_promote.py."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tables import SIX, drawn, table

from pipeline import bootstrap, card, evaluation
from pipeline.config import Config
from pipeline.corpora import CORPORA

VOICES = {"ravdess-01": 0.5, "ravdess-02": 0.7, "ravdess-03": 0.6, "ravdess-04": 0.9, "savee-05": 0.4}
FACTS = {
    "trained_on": "full",
    "architecture": "a_tree",
    "kind": "hierarchical",
    "view": "statistics",
    "augmentation": "double",
    "commit": "0123abc",
    "splits": "fedc9876",
    "run_id": "4567",
}
Make = Callable[..., card.Subject]


def reported(predictions: pd.DataFrame, unsure: float = 0.45) -> dict[str, Any]:
    """Return what `train` reports."""
    sure = evaluation.selective(predictions[predictions.part == "test"], unsure)
    return evaluation.report(predictions, SIX, 9) | {"sure": sure, "temperature": 1.25}


@pytest.fixture(scope="module")
def make(configure: Callable[..., Config]) -> Make:
    """Return a maker of subjects: of a protocol and predictions, learned from TESS and one altered copy."""

    def made(predictions: pd.DataFrame, protocol: str = "folds", **other: Any) -> card.Subject:
        cfg = configure(f"protocol={protocol}")
        own = pd.DataFrame({"id": ["a", "b", "a-1"], "source": ["a", "b", "a"], "corpus": "tess"})
        subject = card.Subject(
            name="emotion-detector-six",
            version="7",
            date="2026-01-31",
            facts=FACTS,
            report=reported(predictions),
            predictions=predictions,
            learned=own.assign(speaker=["tess-OAF", "tess-YAF", "tess-OAF"], sex="female"),
            tree=cfg.taxonomy.tree,
            protocol=cfg.protocol,
            differences=[],
            listeners=[],
        )
        return replace(subject, **other)

    return made


def told(subject: card.Subject) -> str:
    """Return a card with its lines joined: where they break says nothing."""
    return " ".join(card.write(subject, 9).split())


def cells(text: str, first: str) -> list[str]:
    """Return a row of a table in a card, by its first cell."""
    (row,) = (line for line in text.splitlines() if line.startswith(f"| {first} "))
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.fixture(scope="module")
def plain() -> pd.DataFrame:
    return drawn(VOICES, 36, seed=1)


def test_says_what_it_is(make: Make, plain: pd.DataFrame):
    text = card.write(make(plain), 9)
    assert text.startswith("# emotion-detector-six, version 7\n")
    assert cells(text, "trained") == ["trained", "2026-01-31"]
    assert cells(text, "code")[1] == "commit 0123abc"
    assert cells(text, "data and their division")[1] == "sha256 fedc9876"
    tree = "emotion (aroused (happy, anger), subdued (neutral, distressed (sad, fear, disgust)))"
    assert cells(text, "classes and their tree")[1] == tree
    assert "Not for judging people" in text
    assert "not under git" in told(make(plain, facts=FACTS | {"commit": ""}))


def test_every_group_has_the_scores_of_the_report(make: Make, plain: pd.DataFrame):
    subject = make(plain)
    text, test = card.write(subject, 9), subject.report["test"]
    groups = [("all", "all", test), *((by, n, g) for by in evaluation.GROUPS for n, g in test[by].items())]
    assert len(groups) == 1 + 2 + 2 + 2
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    for by, name, group in groups:
        (row,) = (row for row in rows if row[:2] == [by, name])
        for cell, score in zip(row[2:5], evaluation.SCORES, strict=True):
            value, low, high = (group[score + end] for end in ("", "_low", "_high"))
            alone = group["speakers"] == 1
            assert cell == (f"{value:.3f}" if alone else f"{value:.3f} ({low:.3f}–{high:.3f})")
        assert row[5:] == [str(group["clips"]), str(group["speakers"])]
    assert f"its UAR is {test['uar']:.3f} ({test['uar_low']:.3f}–{test['uar_high']:.3f})" in told(subject)
    assert "chance is 0.167" in told(subject)


def test_one_fold_is_no_group(make: Make, plain: pd.DataFrame):
    text = card.write(make(plain.assign(fold=0), "speakers"), 9)
    assert not any(line.startswith("| fold") for line in text.splitlines())


def test_names_only_the_corpora_that_were_learned_from(make: Make, plain: pd.DataFrame):
    text = card.write(make(plain), 9)
    tess = CORPORA["tess"]
    assert cells(text, "tess") == ["tess", tess.title, "2", "1", "2", "2", "0", tess.licence]
    assert tess.citation in text
    assert "the licences of tess forbid it" in text
    for name in ("ravdess", "savee", "cremad"):
        assert CORPORA[name].citation not in text
    assert "It learned from 2 voices" in text
    assert "Learned from but not tested: tess." in text
    tested = make(plain).learned.assign(corpus="ravdess")
    assert "not tested" not in card.write(make(plain, learned=tested), 9)


def test_forbids_commerce_only_where_a_licence_does(make: Make, plain: pd.DataFrame):
    free = make(plain).learned.assign(corpus="cremad")
    assert "ommercial" not in card.write(make(plain, learned=free), 9)
    mixed = pd.concat([free, make(plain).learned])
    text = card.write(make(plain, learned=mixed), 9)
    assert "the licences of tess forbid it" in text
    assert CORPORA["cremad"].citation in text


def test_a_demonstration_says_so_first(make: Make, plain: pd.DataFrame):
    first, *rest = card.write(make(plain, facts=FACTS | {"trained_on": "sample"}), 9).splitlines()
    assert "demonstration of synthetic voices, its numbers mean nothing" in first
    text = "\n".join(rest)
    assert "licences of" not in text
    assert CORPORA["tess"].citation not in text
    assert cells(text, "tess")[1] == "synthetic voices"
    assert "demonstration" not in card.write(make(plain), 9)


@pytest.mark.parametrize(
    ("protocol", "folds", "words", "unsaid"),
    [
        ("speakers", 1, ["speakers were divided once", "validation clips once they had judged"], ["flatter"]),
        ("clips", 1, ["divided at random", "The same speakers are in training and test"], []),
        (
            "folds",
            2,
            ["divided into 2 folds", "2 other models", "heard of them"],
            ["the very model", "flatter"],
        ),
        ("corpora", 2, ["each corpus was tested whole", "2 other models"], ["flatter"]),
        ("tess_speakers", 1, ["it learned from training clips alone"], ["once they had judged"]),
    ],
)
def test_says_how_it_was_tested(
    make: Make, plain: pd.DataFrame, protocol: str, folds: int, words: list[str], unsaid: list[str]
):
    text = told(make(plain.assign(fold=plain.fold % folds), protocol))
    assert f"Protocol `{protocol}`" in text
    for phrase in words:
        assert phrase in text
    for phrase in unsaid:
        assert phrase not in text


def test_says_who_judged_and_who_was_tested(make: Make):
    validated = drawn({"ravdess-09": 0.5}, 12, seed=1, both_parts=False).assign(part="validation")
    predictions = pd.concat([validated, drawn(VOICES, 36, seed=1, both_parts=False)])
    text = card.write(make(predictions), 9)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert ["validation", "ravdess", "12", "1", "09"] in rows
    assert ["test", "ravdess", "144", "4", "01, 02, 03, 04"] in rows
    assert ["test", "savee", "36", "1", "05"] in rows
    assert "heard of them" not in text  # nobody validates here who is tested there


def test_finds_what_is_weakest():
    truth = ["sad"] * 10 + ["fear"] * 5 + ["happy"] * 4
    answers = ["sad"] * 9 + ["happy"] + ["fear"] * 2 + ["sad"] * 2 + ["anger"] + ["happy"] * 4
    test = table(truth, answers, ["ravdess-01", "ravdess-02"] * 9 + ["ravdess-01"])
    found = card.emotions(test, SIX, 9).set_index("emotion")
    assert list(found.index) == ["fear", "happy", "sad"]  # the others were not tested
    assert found.recall.to_dict() == pytest.approx({"fear": 0.4, "happy": 1.0, "sad": 0.9})
    assert found.precision.to_dict() == {"fear": "1.000", "happy": "0.800", "sad": "0.818"}
    assert (found.recall_low <= found.recall).all()
    assert found.recall_low["fear"] < found.recall_high["fear"]
    assert found.clips.to_dict() == {"fear": 5, "happy": 4, "sad": 10}
    assert card.confused(test, SIX) == {"truth": "fear", "answer": "sad", "clips": 2, "of": 5}
    assert card.confused(test.assign(predicted=test.label), SIX) is None


def test_the_card_tells_what_is_weakest(make: Make):
    predictions = drawn({"ravdess-01": 1.0, "ravdess-02": 1.0, "savee-03": 1.0}, 36, seed=1)
    perfect = told(make(predictions))
    assert "most common confusion" not in perfect
    wrong = (predictions.label == "fear") & (predictions.speaker == "ravdess-02")
    predictions.loc[wrong, "predicted"] = "sad"
    text = told(make(predictions))
    assert "The weakest is fear: 0.667 (0.000–1.000) of its clips are recognised." in text
    assert "fear taken for sad, 6 of 18 clips" in text
    assert "The weakest speaker: ravdess-02 (female), UAR 0.833 on 36 clips." in text


def test_the_gap_between_sexes_is_not_one_between_corpora():
    """Men of SAVEE are far worse, but no woman speaks there."""
    accuracies = {f"ravdess-{n:02}": 0.8 if n % 2 else 0.6 for n in range(1, 13)}
    clips = drawn(accuracies | {"savee-01": 0.0, "savee-03": 0.0}, 60, seed=3, both_parts=False)
    found = card.sexes(clips, SIX, 9)
    assert found is not None
    assert found["corpora"] == ["ravdess"]
    own = clips[clips.corpus == "ravdess"]
    uar = {sex: evaluation.scores(g.label, g.predicted)["uar"] for sex, g in own.groupby("sex")}
    assert found["difference"] == pytest.approx(uar["female"] - uar["male"])
    assert found["low"] < found["difference"] < found["high"] < 0
    assert card.sexes(clips[clips.corpus == "savee"], SIX, 9) is None


def test_the_card_tells_the_gap_between_sexes(make: Make, plain: pd.DataFrame):
    gap = card.sexes(plain[plain.part == "test"], SIX, 9)
    assert gap is not None
    numbers = f"{gap['difference']:+.3f} (95 % {gap['low']:+.3f} to {gap['high']:+.3f})"
    assert (
        f"UAR of women minus UAR of men: {numbers}, in the corpora of which both were tested: ravdess."
        in (told(make(plain)))
    )
    men = plain[plain.sex == "male"]
    assert "cannot be told from one between corpora" in told(make(men))
    pair = told(make(plain[plain.speaker.isin(["ravdess-01", "ravdess-02"])]))
    assert "UAR of women minus UAR of men" in pair
    assert "(95 % +" not in pair


def test_says_how_sure_it_is(make: Make, plain: pd.DataFrame):
    half = plain.copy()
    doubted = (np.arange(len(half)) % 4 == 0)[:, None]
    columns = [f"p_{name}" for name in SIX]
    half[columns] = np.where(doubted, 1 / 6, half[columns])
    report = reported(half)
    text = told(make(half, report=report))
    assert f"{report['test']['ece']:.3f} on test clips" in text
    assert "temperatures are found: its own is 1.25" in text
    assert "an answer less probable than 0.45. It is sure of 75.0 % of the test clips" in text
    assert (
        f"of these it gets {report['sure']['accuracy']:.3f} right (UAR {report['sure']['uar']:.3f})" in text
    )
    assert "of every test clip's" in told(make(half, report=reported(half, unsure=0.99)))
    assert "never says that it is unsure" in told(make(half, report=reported(half, unsure=0.0)))


def test_is_laid_beside_the_flat_model_and_people(make: Make, plain: pd.DataFrame):
    alone = told(make(plain))
    assert "No flat model that reads the same" in alone
    assert "People who heard" not in alone
    clips = plain[(plain.part == "test") & (plain.corpus == "savee")]
    heard = bootstrap.scored(bootstrap.counts(clips, SIX), 9) | {"name": "ravdess", "clips": 12}
    pair = [{"sentence": "a_tree is worse than mlp: by a lot."}]
    text = told(make(plain, differences=pair, listeners=[heard]))
    assert "- a_tree is worse than mlp: by a lot." in text
    assert "No flat model" not in text
    assert "People who heard 12 of these test clips, of ravdess, the voice alone, and chose among 6 " in text
    assert f"emotions: UAR {heard['uar']:.3f}. The model on the test clips of ravdess" in text


def test_is_the_same_again(make: Make, plain: pd.DataFrame):
    assert card.write(make(plain), 9) == card.write(make(plain), 9)
