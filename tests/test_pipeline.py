"""The pipeline from one end to the other: what `dvc repro` makes, and what it makes again."""

import json
from pathlib import Path

import pytest
import yaml
from project import Done, Project

from pipeline.stage import ROOT
from pipeline.taxonomy import Node

ARCHITECTURES = yaml.safe_load((ROOT / "params.yaml").read_text())["architectures"]
TREES = ("hierarchical", "nested_dichotomies")
STAGES = [
    *(f"download@{corpus}" for corpus in ("ravdess", "savee", "tess", "cremad")),
    *("merge", "split", "augment", "features", *(f"train@{name}" for name in ARCHITECTURES)),
    *("compare", "promote", "bundle"),
]
SIX = "emotion-detector-six"
DECISIONS = [
    node.name
    for node in Node.read(yaml.safe_load((ROOT / "conf/taxonomy/six.yaml").read_text())["tree"]).decisions
]


@pytest.fixture
def project(complete: tuple[Project, Done], tmp_path: Path) -> Project:
    """A finished project of the test's own."""
    return complete[0].clone(tmp_path)


@pytest.fixture(scope="module")
def four(complete: tuple[Project, Done], tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Done]:
    """A finished project in which four classes were chosen then, altered copies and fewer architectures."""
    project = complete[0].clone(tmp_path_factory.mktemp("four"))
    project.edit("params.yaml", "taxonomy: six", "taxonomy: four")
    project.edit("params.yaml", "augmentation: none", "augmentation: double")
    project.train_only("mlp", "hierarchical")
    return project, project.repro()


def champion(project: Project, name: str = SIX) -> str:
    return str(project.mlflow().get_model_version_by_alias(name, "champion").version)


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_runs_every_stage(complete: tuple[Project, Done]) -> None:
    project, done = complete
    assert done.status == 0, done.output
    assert sorted(done.ran) == sorted(STAGES)
    declared = set(project.outputs())
    assert {f"build/{stage.replace('@', '/')}" for stage in STAGES} == declared
    for path in declared:
        assert any(file.stat().st_size for file in (project.folder / path).rglob("*") if file.is_file()), path
    assert project.partial() == []


def test_leaves_the_working_tree_clean(complete: tuple[Project, Done]) -> None:
    changed = {line[3:] for line in complete[0].git("status", "--porcelain").splitlines()}
    assert changed <= {"dvc.lock"}


def test_says_nothing_that_alarms(complete: tuple[Project, Done]) -> None:
    words = ("error", "traceback", "deprecat")
    lines = complete[1].output.splitlines()
    # Python's own remarks in the middle of a line are let pass: joblib's workers make one now and then.
    assert [
        line for line in lines if line.startswith("WARNING") or any(word in line.lower() for word in words)
    ] == []


def test_takes_less_than_two_gigabytes_on_two_cores(complete: tuple[Project, Done]) -> None:
    assert 100 < complete[1].peak < 2000


def test_logs_every_training(complete: tuple[Project, Done]) -> None:
    project, _ = complete
    runs = project.runs(SIX)
    assert {run.info.status for run in runs} == {"FINISHED"}
    parents = {run.data.tags["architecture"]: run for run in runs if "architecture" in run.data.tags}
    assert set(parents) == set(ARCHITECTURES)
    nodes = [run for run in runs if "node" in run.data.tags]
    assert sorted(run.data.tags["node"] for run in nodes) == sorted(DECISIONS)
    assert {run.data.tags["mlflow.parentRunId"] for run in nodes} == {parents["hierarchical"].info.run_id}
    digest = read(project.build / "split" / "summary.json")["digest"]
    for name, run in parents.items():
        assert run.data.tags["splits"] == digest
        assert run.data.tags["trained_on"] == "sample"
        assert run.data.params["seed"] == "9"
        report = read(project.build / "train" / name / "metrics.json")
        assert run.data.metrics["test.uar"] == pytest.approx(report["test"]["uar"])
        assert run.inputs.dataset_inputs


def test_registers_the_champion(complete: tuple[Project, Done]) -> None:
    project, _ = complete
    version = project.mlflow().get_model_version_by_alias(SIX, "champion")
    compared = read(project.build / "compare" / "metrics.json")
    best = max(TREES, key=lambda name: compared[name]["validation_uar"])
    run, metrics = read(project.build / "train" / best / "run.json"), compared[best]
    assert version.run_id == run["run_id"]
    assert version.tags["commit"].startswith(project.git("rev-parse", "HEAD").strip())
    assert version.tags["splits"] == read(project.build / "split" / "summary.json")["digest"]
    assert version.tags["trained_on"] == "sample"
    assert version.tags["param.architecture.name"] == best
    assert float(version.tags["validation.uar"]) == pytest.approx(metrics["validation_uar"], abs=1e-4)


def test_builds_the_bento_of_the_champion(complete: tuple[Project, Done]) -> None:
    project, _ = complete
    tag = f"{SIX}:{champion(project)}"
    bento = project.home / "bentoml" / "bentos" / tag.replace(":", "/") / "bento.yaml"
    assert tag in [model["tag"] for model in yaml.safe_load(bento.read_text())["models"]]
    assert (project.home / "bentoml" / "models" / tag.replace(":", "/") / "model.yaml").is_file()
    assert read(project.build / "bundle" / "bundle.json")["bento"] == tag


def test_shows_metrics_and_plots(complete: tuple[Project, Done]) -> None:
    project, _ = complete
    shown = project.dvc("metrics", "show", "--json")
    (files,) = json.loads(shown.output).values()
    assert files["data"]["build/compare/metrics.json"]["data"] == read(project.build / "compare/metrics.json")

    page = project.home / "plots"
    assert project.dvc("plots", "show", "--out", str(page)).status == 0
    html = (page / "index.html").read_text()
    for name in ARCHITECTURES:
        assert f"confusion/{name}.csv" in html
    for figure in (project.build / "compare" / "figures").iterdir():
        assert list((page / "static").glob(f"*{figure.name}")), figure


def test_a_second_run_does_nothing(project: Project) -> None:
    before = project.outputs(), champion(project)
    done = project.repro()
    assert done.status == 0, done.output
    assert done.ran == []
    assert "Data and pipelines are up to date" in done.output
    assert (project.outputs(), champion(project)) == before
    assert len(project.mlflow().search_model_versions(f"name='{SIX}'")) == 1


def test_tests_do_not_make_it_start_over(project: Project) -> None:
    for package in ("corpora", "acoustics", "architectures"):
        compiled = project.folder / "pipeline" / package / "__pycache__" / "other.cpython-312.pyc"
        compiled.parent.mkdir(exist_ok=True)
        compiled.write_bytes(b"compiled by another Python")
    assert project.repro().ran == []


@pytest.mark.parametrize(
    ("file", "old", "new", "touched"),
    [
        ("conf/architecture/mlp.yaml", "units: 100", "units: 64", {"train@mlp"}),
        (
            "conf/taxonomy/six.yaml",
            "[happy, anger]",
            "[anger, happy]",
            {"split", *(f"train@{name}" for name in ARCHITECTURES)},
        ),
        ("conf/features/all.yaml", "n_mfcc: 40", "n_mfcc: 20", {"features"}),
        ("conf/corpora/full.yaml", "download: true", "download: false", set()),
        ("conf/taxonomy/four.yaml", "[happy, anger]", "[anger, happy]", set()),
    ],
)
def test_an_edit_reaches_the_stages_that_read_it(
    project: Project, file: str, old: str, new: str, touched: set[str]
) -> None:
    project.edit(file, old, new)
    told = set(json.loads(project.dvc("status", "--json").output))
    assert told - {"release.dvc"} == touched  # the release is fetched by those who serve it


def test_an_experiment_changes_one_architecture(project: Project) -> None:
    project.commit()
    done = project.dvc("exp", "run", "--set-param", "conf/architecture/mlp.yaml:units=64")
    assert done.status == 0, done.output
    assert done.ran[:2] == ["train@mlp", "compare"]
    assert set(done.ran) <= {"train@mlp", "compare", "promote", "bundle"}
    assert yaml.safe_load((project.folder / "conf/architecture/mlp.yaml").read_text())["units"] == 64
    trained = [run.data.params.get("architecture.units") for run in project.runs(SIX)]
    assert trained.count("64") == trained.count("100") == 1
    assert champion(project) == "1"
    assert "units" in project.dvc("exp", "show", "--csv").output


def test_four_classes_get_a_champion_of_their_own(four: tuple[Project, Done]) -> None:
    project, done = four
    assert done.status == 0, done.output
    assert not {"merge", "download@tess"} & set(done.ran)
    assert champion(project, "emotion-detector-four") == champion(project, SIX) == "1"
    bundle = read(project.build / "bundle" / "bundle.json")
    assert bundle["bento"] == "emotion-detector-four:1"
    assert read(project.build / "split" / "summary.json")["classes"] == ["anger", "happy", "neutral", "sad"]


def test_six_classes_come_back_without_training(four: tuple[Project, Done]) -> None:
    project, _ = four
    project.edit("params.yaml", "taxonomy: four", "taxonomy: six")
    project.edit("params.yaml", "augmentation: double", "augmentation: none")
    project.train_only(*ARCHITECTURES)
    done = project.repro()
    assert done.status == 0, done.output
    assert done.ran == ["promote", "bundle"]  # which stand on MLflow's and BentoML's state too
    assert read(project.build / "promote" / "champion.json")["name"] == SIX
    assert len(project.runs(SIX)) == len(ARCHITECTURES) + len(DECISIONS)
