"""What goes wrong around the code: settings, recordings, a power cut, a full disk, a held database."""

import random
import sqlite3
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from project import Done, Project, Running

SIX = "emotion-detector-six"
SAMPLE = "conf/corpora/sample.yaml"
SETTLED = ("build/download", "build/merge", "build/split", "build/augment", "build/features")


@pytest.fixture
def project(complete: tuple[Project, Done], tmp_path: Path) -> Project:
    """A finished project of the test's own."""
    return complete[0].clone(tmp_path)


def refused(done: Done, project: Project, *said: str) -> None:
    """Check that DVC ended with a message that holds `said`, and left nothing half-written."""
    assert done.status != 0, done.output
    for words in said:
        assert words in done.output
    assert "Traceback" not in done.output
    assert project.partial() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "output", "said"),
    [
        ("params.yaml", "taxonomy: six", "taxonomy: five", None, ["conf/taxonomy/five.yaml", "not exist"]),
        ("params.yaml", "taxonomy: six", "taxonmy: six", None, ["dvc.yaml", "'taxonomy'"]),
        ("conf/architecture/mlp.yaml", "units:", "unit:", "train/mlp", ["conf/architecture", "'unit'"]),
        (
            "conf/architecture/mlp.yaml",
            "units: 100",
            "units: many",
            "train/mlp",
            ["conf/architecture", "units"],
        ),
        ("conf/protocol/speakers.yaml", "test:", "tset:", "split", ["protocol.tset", "conf/"]),
        ("conf/protocol/speakers.yaml", "test: 0.2", "test: 2", "split", ["protocol.test", "conf/"]),
        ("conf/taxonomy/six.yaml", "fear", "dread", "split", ["taxonomy.tree", "dread", "conf/"]),
    ],
)
def test_a_wrong_setting_is_named(
    project: Project, file: str, old: str, new: str, output: str | None, said: list[str]
) -> None:
    project.edit(file, old, new)
    refused(project.repro(), project, *said)
    if output:
        assert not (project.build / output).exists()
    project.edit(file, new, old)
    assert project.repro().status == 0


def test_a_missing_archive_is_named(project: Project) -> None:
    (project.folder / "data" / "sample" / "TESS.zip").unlink()
    refused(project.repro(), project, "data/sample/TESS.zip", "corpora.require")
    assert not (project.build / "download" / "tess").exists()


def test_a_damaged_archive_is_named(project: Project) -> None:
    archive = project.folder / "data" / "sample" / "AudioData.zip"
    whole = archive.read_bytes()
    archive.unlink()
    archive.write_bytes(whole[: len(whole) // 2])
    refused(project.repro(), project, "data/sample/AudioData.zip")
    assert not (project.build / "download" / "savee").exists()
    archive.write_bytes(whole)
    done = project.repro()
    assert done.status == 0, done.output


@pytest.mark.parametrize(
    ("speakers", "said"),
    [
        (["DC"], ["the corpus savee has one speaker, savee-DC", "protocol: clips"]),
        (["DC", "JE"], ["has no clip of anger", "in validation", "'speakers'"]),
    ],
)
def test_too_few_speakers_are_named(project: Project, speakers: list[str], said: list[str]) -> None:
    archive = project.folder / "data" / "sample" / "AudioData.zip"
    with zipfile.ZipFile(archive) as whole:
        kept = {name: whole.read(name) for name in whole.namelist() if Path(name).parent.name in speakers}
    for other in archive.parent.iterdir():
        other.unlink()
    with zipfile.ZipFile(archive, "w") as thinned:
        for name, content in kept.items():
            thinned.writestr(name, content)
    project.edit(SAMPLE, "require: [ravdess, savee, tess, cremad]", "require: [savee]")
    refused(project.repro("split"), project, *said)
    assert not (project.build / "split").exists()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[Done]]:
    """A clone in which the pipeline was killed in six stages, each time at another moment, and then run.

    MLflow's database is another than by default.
    """
    home = tmp_path_factory.mktemp("killed")
    elsewhere = {"MLFLOW_TRACKING_URI": f"sqlite:///{home / 'elsewhere' / 'tracking.db'}"}
    project = replace(Project.fresh(home), variables=elsewhere)
    project.train_only("mlp", "hierarchical")
    project.commit()
    moment = random.Random(9)

    def cut(stage: str, seconds: float) -> Done:
        def during(running: Running) -> None:
            running.reach(stage)
            if stage.startswith("train"):
                running.wait_for(lambda: running_runs(project) > 0, "it opened a run")
            if stage == "bundle":
                running.wait_for((home / "bentoml" / "models" / SIX).exists, "it imported the champion")
            time.sleep(moment.uniform(0, seconds))
            running.kill()

        return project.repro(during=during)

    cuts = [
        cut("download@savee", 3),
        cut("merge", 8),
        cut("features", 12),
        cut("train@hierarchical", 2),
        cut("promote", 2),
        cut("bundle", 1),
    ]
    return project, [*cuts, project.repro()]


def running_runs(project: Project) -> int:
    """Count the runs that MLflow takes to be under way."""
    database = Path(project.variables["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"))
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return int(connection.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # no database, no tables yet


def test_a_killed_run_goes_on_with_no_help(killed: tuple[Project, list[Done]]) -> None:
    project, runs = killed
    assert [done.status for done in runs] == [-9] * 6 + [0], runs[-1].output
    assert project.partial() == []
    assert project.repro().ran == []
    assert project.git("status", "--porcelain") in ("", "?? dvc.lock\n", " M dvc.lock\n")


def test_a_killed_run_leads_to_the_same_data(
    killed: tuple[Project, list[Done]], complete: tuple[Project, Done]
) -> None:
    undisturbed, found = complete[0].outputs(), killed[0].outputs()
    settled = {path for path in undisturbed if path.startswith(SETTLED)}
    assert len(settled) == 8
    assert {path: found[path] for path in settled} == {path: undisturbed[path] for path in settled}


def test_a_killed_training_is_told_from_one_under_way(killed: tuple[Project, list[Done]]) -> None:
    states = sorted(run.info.status for run in killed[0].runs(SIX) if "architecture" in run.data.tags)
    trained = len(list((killed[0].build / "train").iterdir()))
    assert states == [*["FINISHED"] * trained, "KILLED"]
    assert running_runs(killed[0]) == 0


def test_another_database_is_honoured_by_all_stages(killed: tuple[Project, list[Done]]) -> None:
    project, _ = killed
    assert not (project.folder / "mlflow.db").exists()
    (version,) = project.mlflow().search_model_versions(f"name='{SIX}'")
    assert project.mlflow().get_model_version_by_alias(SIX, "champion").version == version.version
    bento = project.home / "bentoml" / "bentos" / SIX / str(version.version) / "bento.yaml"
    assert version.run_id in bento.read_text()


def test_a_held_database_is_named(project: Project) -> None:
    project.edit("conf/architecture/mlp.yaml", "units: 100", "units: 8")
    with closing(sqlite3.connect(project.folder / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused(project.repro("train@mlp"), project, "mlflow.db", "locked", "another program")
        other.execute("ROLLBACK")
    assert not (project.build / "train" / "mlp").exists()
    done = project.repro("train@mlp")
    assert done.status == 0, done.output
    assert done.ran == ["train@mlp"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    disk = tmp_path / "project" / "build"
    disk.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a full disk needs the right to mount one: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_is_named(small_disk: Path, tmp_path: Path) -> None:
    project = Project.fresh(tmp_path)
    full = project.repro("split")
    refused(full, project, "No space left on device")
    assert full.ran[-1].startswith("download@")

    subprocess.run(["mount", "-o", "remount,size=46m", small_disk], check=True)
    full = project.repro("split")
    refused(full, project, "No space left on device")
    assert full.ran[-1] == "merge"
    assert not (project.build / "merge").exists()

    subprocess.run(["mount", "-o", "remount,size=500m", small_disk], check=True)
    done = project.repro("split")
    assert done.status == 0, done.output
