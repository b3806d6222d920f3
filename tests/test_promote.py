import json
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from tables import SIX, drawn

from pipeline import bundle, compare, promote, table, tracking, train
from pipeline.promote import decide
from pipeline.stage import PipelineError

TREE = "hierarchical_original"
GOOD, POOR = 0.9, 0.3
VOICES = [f"ravdess-{i}" for i in range(1, 7)]
REAL = {"trained_on": "full", "shares_speakers": False}
SAMPLE = {"trained_on": "sample", "shares_speakers": False}
SHARING = {"trained_on": "full", "shares_speakers": True}


def tags(facts: dict) -> dict[str, str]:
    """Return facts as the registry gives them back: all words."""
    return {key: str(value) for key, value in facts.items()}


def predictions(accuracy: float, speakers: list[str] = VOICES) -> pd.DataFrame:
    return drawn(dict.fromkeys(speakers, accuracy), 24, seed=int(accuracy * 100))


def test_without_a_champion_the_candidate_is_it():
    decision = decide(SAMPLE, None, predictions(POOR), None, 9)
    assert decision.promoted
    assert decision.reason == "there was no champion"


@pytest.mark.parametrize(
    ("candidate", "champion", "promoted", "words"),
    [
        (SAMPLE, REAL, False, "real recordings"),
        (REAL, SAMPLE, True, "demonstration of synthetic voices"),
        (SHARING, REAL, False, "unseen speakers"),
        (REAL, SHARING, True, "shares speakers"),
        (SHARING, SAMPLE, True, "synthetic voices"),
        (SAMPLE, SHARING, False, "real recordings"),
    ],
)
def test_what_counts_for_more_wins_whatever_the_numbers(
    candidate: dict, champion: dict, promoted: bool, words: str
):
    for ours, theirs in ((POOR, GOOD), (GOOD, POOR)):
        decision = decide(candidate, tags(champion), predictions(ours), predictions(theirs), 9)
        assert decision.promoted is promoted
        assert words in decision.reason
        assert ("counts for more" if promoted else "does not replace it") in decision.reason


@pytest.mark.parametrize("facts", [REAL, SAMPLE, SHARING])
@pytest.mark.parametrize(("ours", "theirs", "promoted"), [(GOOD, POOR, True), (POOR, GOOD, False)])
def test_among_equals_the_better_wins(facts: dict, ours: float, theirs: float, promoted: bool):
    decision = decide(facts, tags(facts), predictions(ours), predictions(theirs), 9)
    assert decision.promoted is promoted
    assert "on the same 144 test clips of 6 speakers" in decision.reason
    assert ("+" if promoted else "-") in decision.reason.split("speakers: ")[1]
    assert "95 %" in decision.reason


def test_a_tie_leaves_the_champion():
    same = predictions(0.6)
    decision = decide(REAL, tags(REAL), same, same, 9)
    assert not decision.promoted
    assert "+0.000" in decision.reason


def test_only_common_clips_count():
    """On the clips in common the candidate is worse, though on its others it is better."""
    shared, others = VOICES[:2], VOICES[2:]
    ours = pd.concat([predictions(POOR, shared), predictions(1.0, others)])
    theirs = predictions(0.7, shared)
    decision = decide(REAL, tags(REAL), ours, theirs, 9)
    assert not decision.promoted
    assert "on the same 48 test clips of 2 speakers" in decision.reason


def test_without_common_clips_there_is_no_comparison():
    ours = predictions(GOOD, VOICES[:3])
    theirs = predictions(POOR, VOICES[3:]).assign(sha256=lambda rows: "other-" + rows.sha256)
    decision = decide(REAL, tags(REAL), ours, theirs, 9)
    assert not decision.promoted
    assert "no test clip in common" in decision.reason


def test_one_speaker_in_common_gives_no_interval():
    decision = decide(REAL, tags(REAL), predictions(GOOD, VOICES[:1]), predictions(POOR, VOICES[:1]), 9)
    assert decision.promoted
    assert "95 %" not in decision.reason


def test_the_best_tree_by_validation_is_the_candidate(tmp_path: Path):
    kinds = {"mlp": "flat", "weak": "hierarchical", "strong": "hierarchical"}
    scores = {"mlp": 0.9, "weak": 0.4, "strong": 0.6}
    (tmp_path / "compare").mkdir()
    told = {name: {"validation_uar": score, "test_uar": 1 - score} for name, score in scores.items()}
    (tmp_path / "compare" / "metrics.json").write_text(json.dumps(told))
    for name, kind in kinds.items():
        (tmp_path / "train" / name).mkdir(parents=True)
        facts = {"kind": kind, "architecture": name}
        (tmp_path / "train" / name / "run.json").write_text(json.dumps(facts))
    assert promote.best(tmp_path)["architecture"] == "strong"
    (tmp_path / "compare" / "metrics.json").write_text(json.dumps({"mlp": told["mlp"]}))
    with pytest.raises(PipelineError, match=r"no hierarchical architecture among \['mlp'\]"):
        promote.best(tmp_path)


def versions() -> dict[str, dict[str, str]]:
    found = mlflow.MlflowClient().search_model_versions("name = 'emotion-detector-six'")
    return {str(version.version): dict(version.tags) for version in found}


def test_the_stage(
    small_build: Path, tmp_path: Path, database: Path, configure, monkeypatch: pytest.MonkeyPatch
):
    """The first is champion; again, nothing changes; a worse one stays a version; a better one takes over."""
    build = tmp_path / "build"
    build.mkdir()
    for stage in ("merge", "split", "augment", "features"):
        (build / stage).symlink_to(small_build / stage)

    def promoted(*settings: str) -> dict:
        cfg = configure(f"build={build}", f"architectures=[{TREE}]", f"architecture={TREE}", *settings)
        if settings:
            train.main(cfg)
            compare.main(cfg)
        promote.main(cfg)
        return json.loads((build / "promote" / "champion.json").read_text())

    middling = "architecture.estimator.batch_size=32", "architecture.estimator.max_iter=3"
    told = promoted("architecture.estimator.units=32", *middling)
    first = versions()
    assert (told["name"], told["version"], told["trained_on"]) == ("emotion-detector-six", "1", "sample")
    assert (told["promoted"], told["reason"]) == (True, "there was no champion")
    facts = json.loads((build / "train" / TREE / "run.json").read_text())
    assert told["run_id"] == facts["run_id"] == told["candidate"]["run_id"]
    assert first.keys() == {"1"}
    run = tracking.find(told["run_id"])
    wanted = {
        "commit": tracking.commit(),
        "splits": facts["splits"],
        "trained_on": "sample",
        "protocol": "speakers",
        "param.seed": "9",
        "test.uar": f"{run.data.metrics['test.uar']:.4f}",
        "promoted": "True",
    }
    assert wanted.items() <= first["1"].items()
    assert run.data.metrics["test.uar"] < 1, "the first is to leave room for a better one"

    text = (build / "promote" / "card.md").read_text()
    assert text == tracking.card(tracking.champion("emotion-detector-six"))
    assert text.startswith("# emotion-detector-six, version 1: a demonstration of synthetic voices")
    for fact in (facts["splits"], facts["run_id"], facts["commit"]):
        assert fact in text
    test = json.loads((build / "train" / TREE / "metrics.json").read_text())["test"]
    assert f"its UAR is {test['uar']:.3f}; chance is 0.167" in text  # one speaker: no interval
    known = table.read(build / "split" / "splits.parquet")
    known = known[known.part != "test"]  # of one fold, refit on those who validate
    copies = table.read(build / "augment" / "copies.parquet").source.isin(known.id[known.part == "training"])
    assert f"| {len(known)} " in text
    assert f"| {copies.sum()} " in text

    assert promoted() == told
    assert versions() == first
    assert (build / "promote" / "card.md").read_text() == text
    assert str(tracking.champion("emotion-detector-six").version) == "1"

    worse = promoted("architecture.estimator.units=1", "architecture.estimator.max_iter=1")
    assert (worse["version"], worse["promoted"]) == ("1", False)
    assert worse["candidate"]["run_id"] != told["run_id"]
    assert "against the champion's" in worse["reason"]
    second = versions()
    assert second.keys() == {"1", "2"}
    assert second["1"] == first["1"]
    assert (second["2"]["promoted"], second["2"]["reason"]) == ("False", worse["reason"])
    assert (build / "promote" / "card.md").read_text() == text, "the card is the champion's"
    (loser,) = mlflow.MlflowClient().search_model_versions(f"run_id = '{worse['candidate']['run_id']}'")
    assert str(tracking.card(loser)).startswith("# emotion-detector-six, version 2:")
    (kept,) = tmp_path.glob(f"mlruns/*/{told['run_id']}/artifacts/card.md")
    kept.unlink()  # as of a version from before there were cards
    assert promoted() == worse
    assert versions() == second
    assert not (build / "promote" / "card.md").exists(), "another's card must not stand in for it"
    with pytest.raises(PipelineError, match=r"no run of .*protocol folds"):
        promote.main(configure(f"build={build}", f"architectures=[{TREE}]", "protocol=folds"))
    assert json.loads((build / "promote" / "champion.json").read_text()) == worse

    better = promoted("architecture.estimator.units=64", "architecture.estimator.batch_size=8")
    assert (better["version"], better["promoted"]) == ("3", True)
    assert str(tracking.champion("emotion-detector-six").version) == "3"
    assert versions().keys() == {"1", "2", "3"}
    assert set(SIX) == set(tracking.load("emotion-detector-six", "3").classes)
    assert (build / "promote" / "card.md").read_text().startswith("# emotion-detector-six, version 3:")

    bundled = []
    monkeypatch.setattr(bundle, "main", lambda cfg: bundled.append(bundle.read(cfg.build)["version"]))
    by_hand = promoted_by_hand(build, configure, 1)
    assert (by_hand["version"], by_hand["run_id"]) == ("1", told["run_id"])
    assert (by_hand["promoted"], by_hand["reason"]) == (True, "by hand: version=1")
    assert str(tracking.champion("emotion-detector-six").version) == "1"
    again = promoted()  # what was withdrawn stays so, though its numbers are better
    assert (again["version"], again["promoted"]) == ("1", False)
    assert "withdrawn by hand: version=3 brings it back" in again["reason"]
    assert promoted_by_hand(build, configure, 3)["version"] == "3"
    assert promoted()["promoted"]
    assert bundled == ["1", "3"]
    with pytest.raises(PipelineError, match=r"no version emotion-detector-six/9; registered are 1, 2, 3"):
        promoted_by_hand(build, configure, 9)
    assert str(tracking.champion("emotion-detector-six").version) == "3"


def promoted_by_hand(build: Path, configure, number: int) -> dict:
    promote.main(configure(f"build={build}", f"version={number}"))
    return json.loads((build / "promote" / "champion.json").read_text())


def test_a_run_that_the_database_does_not_know_is_a_message(tmp_path: Path, database: Path, configure):
    build = tmp_path / "build"
    (build / "compare").mkdir(parents=True)
    (build / "compare" / "metrics.json").write_text(json.dumps({"hierarchical": {"validation_uar": 0.5}}))
    (build / "train" / "hierarchical").mkdir(parents=True)
    facts = {"kind": "hierarchical", "architecture": "hierarchical", "run_id": "0123"}
    (build / "train" / "hierarchical" / "run.json").write_text(json.dumps(facts))
    with pytest.raises(PipelineError, match="the run 0123 is not in"):
        promote.main(configure(f"build={build}"))
    assert not (build / "promote").exists()


def test_a_stage_that_has_not_run_is_a_message(tmp_path: Path, database: Path, configure):
    with pytest.raises(PipelineError, match="run the stage 'compare' first"):
        promote.main(configure(f"build={tmp_path / 'build'}"))
