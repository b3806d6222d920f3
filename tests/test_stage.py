import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import soundfile as sf

from pipeline import stage as stages
from pipeline import tracking
from pipeline.config import Config
from pipeline.stage import ROOT, PipelineError, output, stage


def tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_output_appears_only_when_the_block_ends(tmp_path: Path):
    with output(tmp_path / "build" / "merge") as folder:
        (folder / "clips").mkdir()
        (folder / "clips" / "one").write_text("1")
        assert not (tmp_path / "build" / "merge").exists()
    assert tree(tmp_path) == {"build/merge/clips/one": "1"}
    assert [p.name for p in (tmp_path / "build").iterdir()] == ["merge"]


def test_output_replaces_the_old_folder_whole(tmp_path: Path):
    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "old").write_text("old")
    with output(tmp_path / "split") as folder:
        assert (tmp_path / "split" / "old").exists()
        (folder / "new").write_text("new")
    assert tree(tmp_path) == {"split/new": "new"}


def test_an_exception_inside_leaves_the_old_folder_and_nothing_else(tmp_path: Path):
    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "old").write_text("old")

    def write() -> None:
        with output(tmp_path / "split") as folder:
            (folder / "new").write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert tree(tmp_path) == {"split/old": "old"}
    assert [p.name for p in tmp_path.iterdir()] == ["split"]


def test_what_a_killed_run_left_is_cleared(tmp_path: Path):
    code = """
import sys, time
from pathlib import Path
from pipeline.stage import output
with output(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "merge")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "ready\n"
        killed.send_signal(signal.SIGKILL)
    assert not (tmp_path / "merge").exists()
    assert any(tmp_path.iterdir())  # the half-written folder, under another name
    with output(tmp_path / "merge") as folder:
        assert list(folder.iterdir()) == []
        (folder / "whole").write_text("whole")
    assert tree(tmp_path) == {"merge/whole": "whole"}
    assert [p.name for p in tmp_path.iterdir()] == ["merge"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run a function as a stage's command line does; return its exit status and what it said."""

    def start(main, *arguments: str) -> str | int | None:
        monkeypatch.setattr(sys, "argv", ["stage", f"build={tmp_path / 'build'}", *arguments])
        with pytest.raises(SystemExit) as ended:
            stage(main)()
        return ended.value.code

    monkeypatch.chdir(tmp_path)
    return start


def test_a_stage_gets_the_choices_and_the_command_line(started):
    seen: list[Config] = []

    def main(cfg: Config) -> None:
        seen.append(cfg)
        sys.exit(0)

    assert started(main, "taxonomy=four", "protocol.test=0.3") == 0
    assert (seen[0].taxonomy.name, seen[0].protocol.test) == ("four", 0.3)
    assert seen[0].corpora.name in " ".join(stages.choices())


def test_a_pipeline_error_is_its_message(started):
    def main(cfg: Config) -> None:
        raise PipelineError("the archive is not there: put it into data/")

    assert started(main) == "error: the archive is not there: put it into data/"


def test_a_full_disk_is_a_message_and_nothing_is_left(started, tmp_path: Path):
    def main(cfg: Config) -> None:
        with output(cfg.build / "merge") as folder:
            (folder / "first").write_text("written")
            shutil.copyfile("/dev/zero", "/dev/full")

    said = started(main)
    assert isinstance(said, str)
    assert os.strerror(errno.ENOSPC) in said
    assert "nothing was written" in said
    assert list((tmp_path / "build").iterdir()) == []


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd):
    def main(cfg: Config) -> None:
        raise OSError("no number, no file")

    monkeypatch.setattr(sys, "argv", ["stage"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="no number, no file"):
        stage(main)()


@pytest.mark.parametrize("limit", [20_000, 200])
def test_no_room_for_the_clips_is_a_message(tmp_path: Path, say_downloaded, voice, limit: int):
    """A limit on the size of a file stands for a disk that fills up while clips are written."""
    say_downloaded(tmp_path / "build", "savee")
    for number in (1, 2):
        path = tmp_path / "build" / "download" / "savee" / f"DC_a{number:02}.wav"
        sf.write(path, voice(200.0, number, seconds=2.0), 16_000)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.merge", "jobs=1"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert [p.name for p in (tmp_path / "build").iterdir()] == ["download"]


def test_multirun_runs_a_stage_for_each_choice(small_build: Path, tmp_path: Path, database: Path):
    build = tmp_path / "build"
    build.mkdir()
    for name in ("merge", "split", "augment", "features"):
        (build / name).symlink_to(small_build / name)
    swept = ["-m", "architecture=mlp", "architecture.units=4,8", "architecture.max_iter=3", f"build={build}"]
    command = [sys.executable, "-m", "pipeline.train", *swept]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tracking.connect()
    runs = mlflow.search_runs(experiment_names=["emotion-detector-six"], output_format="list")
    assert sorted(run.data.params["architecture.units"] for run in runs) == ["4", "8"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    last = json.loads((build / "train" / "mlp" / "run.json").read_text())["run_id"]
    assert mlflow.get_run(last).data.params["architecture.units"] == "8"
