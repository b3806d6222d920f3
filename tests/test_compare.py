import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image
from tables import SIX, drawn

from pipeline import compare, evaluation, table
from pipeline.taxonomy import Node

ROOT = Path(__file__).resolve().parent.parent
CHOICES = [
    "corpora=sample",
    "taxonomy=six",
    "protocol=speakers",
    "augmentation=none",
    "features=original",
    "seed=9",
]
SPEAKERS = [f"ravdess-{n:02d}" for n in range(1, 9)] + ["savee-09", "tess-10", "tess-11"]


def trained(
    folder: Path, architecture: str, accuracy: float, speakers: list[str] = SPEAKERS, **about: object
) -> pd.DataFrame:
    """Write what the train stage leaves of one architecture, and return its predictions."""
    predictions = drawn(dict.fromkeys(speakers, accuracy), 60, seed=len(architecture))
    run = {
        "architecture": architecture,
        "kind": "flat",
        "view": "statistics",
        "taxonomy": "six",
        "protocol": "speakers",
        "shares_speakers": False,
        "trained_on": "sample",
        "splits": "d1",
    } | about
    place = folder / "build" / "train" / architecture
    place.mkdir(parents=True)
    predictions.to_parquet(place / "predictions.parquet")
    (place / "metrics.json").write_text(json.dumps(evaluation.report(predictions, SIX, seed=9)))
    (place / "run.json").write_text(json.dumps(run))
    return predictions


def divided(folder: Path, heard: list[tuple[str, str, float]]) -> None:
    """Write what the merge and split stages leave for this one."""
    for stage in ("merge", "split"):
        (folder / "build" / stage).mkdir(parents=True)
    (folder / "build" / "split" / "summary.json").write_text(json.dumps({"digest": "d1"}))
    votes = pd.DataFrame(heard, columns=["id", "label", "share"]).astype({"share": float})
    table.write(votes, table.Listeners, folder / "build" / "merge" / "listeners.parquet")


@pytest.fixture
def folder(tmp_path):
    """A working folder with a split and two trained architectures."""
    divided(tmp_path, [])
    trained(tmp_path, "mlp", 0.5)
    trained(tmp_path, "hierarchical", 0.7, kind="hierarchical")
    return tmp_path


def command(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.compare", *CHOICES, *overrides],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_compare_writes_tables_figures_and_the_verdict(folder):
    done = command(folder)
    assert done.returncode == 0, done.stderr
    out = folder / "build" / "compare"

    found = pd.read_csv(out / "comparison.csv")
    assert len(found) == 2 * (2 + 3 + 2 + 2)
    kept = pd.read_parquet(folder / "build/train/mlp/predictions.parquet")
    test = kept[kept["part"] == "test"]
    overall = found[(found["architecture"] == "mlp") & (found["part"] == "test")].set_index("name")
    assert overall.loc["all", "uar"] == pytest.approx(
        evaluation.scores(test["label"], test["predicted"])["uar"]
    )
    assert overall.loc["all", "uar_low"] < overall.loc["all", "uar"] < overall.loc["all", "uar_high"]
    assert pd.isna(overall.loc["savee", "uar_low"])
    assert overall["clips"].to_dict() == {
        "all": 660, "ravdess": 480, "savee": 60, "tess": 120, "female": 300, "male": 360,
        "0": 360, "1": 300,
    }  # fmt: skip
    tree = Node.read(yaml.safe_load((ROOT / "conf/taxonomy/six.yaml").read_text())["tree"])
    near = evaluation.hierarchical(test["label"], test["predicted"], tree)
    assert overall.loc["all", ["h_precision", "h_recall", "h_f1"]].to_dict() == pytest.approx(near)
    assert near["h_f1"] > overall.loc["all", "accuracy"]  # some errors are near
    confusions = pd.read_csv(out / "confusions.csv")
    assert confusions.groupby("architecture")[list(SIX)].sum().sum(axis=1).to_dict() == {
        "mlp": 3 * 660,
        "hierarchical": 3 * 660,
    }
    tess = confusions[(confusions["architecture"] == "mlp") & (confusions["group"] == "corpus tess")]
    expected = evaluation.confusion(kept[kept["corpus"] == "tess"], SIX)
    assert (tess.set_index("truth")[list(SIX)].to_numpy() == expected.to_numpy()).all()

    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics) == {"mlp", "hierarchical"}
    assert metrics["mlp"]["test_uar"] == pytest.approx(overall.loc["all", "uar"])
    assert set(metrics["mlp"]) == {
        "validation_uar", "test_uar", "test_uar_low", "test_uar_high", "test_accuracy", "test_macro_f1",
    }  # fmt: skip

    (found,) = json.loads((out / "differences.json").read_text())
    assert (found["hierarchical"], found["flat"], found["view"]) == ("hierarchical", "mlp", "statistics")
    assert found["difference"] == pytest.approx(
        metrics["hierarchical"]["test_uar"] - metrics["mlp"]["test_uar"]
    )
    assert found["p"] < 0.05
    assert found["sentence"].startswith("hierarchical is better than mlp: UAR 0.")
    assert found["sentence"].endswith("Note: synthetic voices: scores mean nothing.")

    page = (out / "comparison.md").read_text(encoding="utf-8")
    assert found["sentence"] in page
    assert "synthetic voices: scores mean nothing" in page
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    (savee,) = (row for row in cells if row[:1] == ["mlp"] and "savee" in row)
    assert f"{overall.loc['savee', 'uar']:.3f}" in savee
    for name in ("comparison", "corpora"):
        text = Image.open(out / "figures" / f"{name}.png").text["Description"]
        assert text.endswith("(synthetic voices: scores mean nothing)")
    assert sorted(path.name for path in out.parent.iterdir()) == ["compare", "merge", "split", "train"]


def test_compare_leaves_out_runs_of_other_choices(folder):
    trained(folder, "old", 0.9, splits="d0")
    trained(folder, "other", 0.9, taxonomy="four", trained_on="full")
    trained(folder, ".lstm.partial", 0.9)
    trained(folder, "unchosen", 0.9)
    done = command(folder, "architectures=[mlp,hierarchical,old,other,missing]")
    assert done.returncode == 0, done.stderr
    assert set(json.loads((folder / "build/compare/metrics.json").read_text())) == {"mlp", "hierarchical"}
    assert "missing is left out: it has not been trained" in done.stderr
    assert "old is left out" in done.stderr
    assert "splits d0 (now d1)" in done.stderr
    assert "taxonomy four (now six), trained_on full (now sample)" in done.stderr


def test_compare_without_a_run_of_the_choices_says_what_to_do(folder):
    done = command(folder, "protocol=folds")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: build/train holds no run of taxonomy six, protocol folds"
    )
    assert "Traceback" not in done.stderr
    assert not (folder / "build" / "compare").exists()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("split/summary.json", None),
        ("merge/listeners.parquet", None),
        ("train/mlp/metrics.json", "{"),
        ("train/mlp/predictions.parquet", "x"),
    ],
)
def test_compare_names_the_file_that_is_missing_or_broken(folder, path, text):
    broken = folder / "build" / path
    broken.unlink()
    if text is not None:
        broken.write_text(text)
    done = command(folder)
    assert done.returncode == 1
    assert f"build/{path}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (folder / "build" / "compare").exists()


def test_people_are_scored_on_the_clips_that_were_tested(tmp_path, caplog: pytest.LogCaptureFixture):
    predictions = trained(tmp_path, "mlp", 0.5, ["cremad-01", "cremad-02", "ravdess-03"])
    test = predictions[predictions["part"] == "test"]
    sad = list(test["id"][(test["label"] == "sad") & (test["corpus"] == "cremad")])
    anger = list(test["id"][(test["label"] == "anger") & (test["corpus"] == "cremad")])
    votes = [(sad[0], "sad", 0.5), (sad[0], "neutral", 0.5), (sad[1], "fear", 1.0)]
    votes += [(anger[0], "anger", 1.0), ("cremad-of-training", "anger", 1.0)]
    heard = pd.DataFrame(votes, columns=["id", "label", "share"])
    runs = {"mlp": compare.Run({}, {}, predictions)}
    caplog.set_level("INFO")
    (row,) = compare.listeners(heard, runs, seed=1).to_dict("records")
    assert (row["name"], row["group"], row["part"]) == ("cremad", "corpus", "test")
    assert (row["clips"], row["classes"]) == (3, 2)
    assert row["accuracy"] == pytest.approx(1.5 / 3)
    assert row["uar"] == pytest.approx((0.25 + 1) / 2)
    assert not caplog.text
    assert compare.listeners(heard[heard["id"] == "cremad-of-training"], runs, seed=1).empty
    assert "no row of cremad's human listeners: summaryTable.csv is not in data/" in caplog.text


def test_people_have_a_row_beside_the_architectures(tmp_path):
    predictions = trained(tmp_path, "mlp", 0.5, [*SPEAKERS, "cremad-12", "cremad-13"])
    clips = predictions[(predictions["part"] == "test") & (predictions["corpus"] == "cremad")]
    divided(tmp_path, [(clip.id, clip.label, 1.0) for clip in clips.itertuples()])
    done = command(tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "build" / "compare"
    assert set(json.loads((out / "metrics.json").read_text())) == {"mlp"}
    page = (out / "comparison.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith("| human listeners (voice only)"))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[1:6] == ["people", "–", "test", "cremad", "1.000 (1.000–1.000)"]
    assert cells[-3:] == ["–", "120", "2"]


def test_differences_pair_hierarchical_with_flat_of_the_same_view(tmp_path):
    def run(name: str, kind: str, view: str | None) -> compare.Run:
        return compare.Run({"kind": kind, "view": view}, {}, trained(tmp_path, name, 0.5))

    runs = {
        "mlp": run("mlp", "flat", "statistics"),
        "lstm": run("lstm", "flat", "logmel"),
        "tree": run("tree", "hierarchical", "statistics"),
        "forest": run("forest", "hierarchical", "statistics"),
        "svm": run("svm", "flat", "functionals+convolutions"),
        "wood": run("wood", "hierarchical", "convolutions+functionals"),
    }
    pairs = [(found["hierarchical"], found["flat"]) for found in compare.differences(runs, seed=1)]
    assert pairs == [("tree", "mlp"), ("forest", "mlp"), ("wood", "svm")]


@pytest.mark.parametrize(
    ("p", "difference", "said"),
    [
        (0.049, 0.02, "tree is better than mlp:"),
        (0.00012, -0.02, "tree is worse than mlp:"),
        (0.051, 0.02, "Whether tree is better than mlp cannot be told:"),
        (1.0, 0.0, "Whether tree is better than mlp cannot be told:"),
        (None, 0.02, "Whether tree is better than mlp cannot be told from one speaker:"),
    ],
)
def test_sentence_says_who_wins_or_that_it_cannot_be_told(p, difference, said):
    result = {
        "uar_a": 0.52,
        "uar_b": 0.5,
        "difference": difference,
        "low": None if p is None else 0.01,
        "high": None if p is None else 0.05,
        "p": p,
        "clips": 9,
        "speakers": 3,
    }
    told = compare.sentence("tree", "mlp", result)
    assert told.startswith(said)
    assert "UAR 0.520 against 0.500 on 9 clips of 3 speakers" in told
    assert ("p = " in told) == (p is not None)
