"""A copy of the project in a folder of its own, and the real DVC at work in it."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from mlflow import MlflowClient

from pipeline.stage import ROOT

BIN = Path(sys.executable).parent
OURS = ("DVC_", "GIT_", "HYDRA_", "MLFLOW_", "BENTOML_", "PYTHON", "EMOTION_DETECTOR_")


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status, what it said, and the most memory its processes took, in MB."""

    status: int
    output: str
    peak: float = 0.0

    @property
    def ran(self) -> list[str]:
        """The stages that DVC ran, in order."""
        return re.findall(r"^Running stage '(.+)'", self.output, re.MULTILINE)


@dataclass(frozen=True)
class Project:
    """A clone of the working tree below `home`, which also holds all that programs write elsewhere."""

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def fresh(cls, home: Path) -> "Project":
        """Clone the working tree as it is, uncommitted files too, and commit it there."""
        project = cls(home)
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, project.folder / name)
        project.git("init", "--quiet")
        project.commit()
        return project

    def clone(self, home: Path) -> "Project":
        """Copy the project with all that was made in it, as if it had been made there."""

        def copy(source: str, target: str) -> None:
            # Linked where DVC and the stages put new files into the place of old ones.
            large = Path(source).relative_to(self.home).parts[1] in ("build", "data", "dvcstore")
            (os.link if large else shutil.copy2)(source, target)

        for name in ("project", "bentoml"):
            left_out = shutil.ignore_patterns("mlflow.db", "cache")
            shutil.copytree(self.home / name, home / name, ignore=left_out, copy_function=copy)
        cache = Path("project", ".dvc", "cache")
        shutil.copytree(self.home / cache, home / cache, copy_function=os.link)
        # MLflow knows its artifacts by their absolute paths.
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as old:
            dump = "\n".join(old.iterdump()).replace(str(self.folder), str(home / "project"))
        with closing(sqlite3.connect(home / "project" / "mlflow.db")) as new:
            new.executescript(dump)
        return Project(home)

    @property
    def folder(self) -> Path:
        return self.home / "project"

    @property
    def build(self) -> Path:
        return self.folder / "build"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without what would reach outside `home` or change what is tested."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        return {
            **inherited,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "BENTOML_HOME": str(self.home / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DVC_NO_ANALYTICS": "true",
            "DVC_SITE_CACHE_DIR": str(self.home / "dvc"),
            "DVC_GLOBAL_CONFIG_DIR": str(self.home / "dvc"),
            "EMOTION_DETECTOR_CACHE": str(self.home / "fetched"),
            "LOKY_MAX_CPU_COUNT": "2",  # what is said of memory holds for two cores
            **{
                f"GIT_{who}_{what}": "test@localhost"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
            **self.variables,
        }

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "as it is")

    def train_only(self, *architectures: str) -> None:
        """Let params.yaml choose fewer architectures, which take less time."""
        params = self.folder / "params.yaml"
        line = f"architectures: [{', '.join(architectures)}]"
        params.write_text(re.sub(r"^architectures: .*$", line, params.read_text(), flags=re.MULTILINE))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the one place in a file where `old` stands."""
        text = (self.folder / name).read_text()
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
        (self.folder / name).write_text(text.replace(old, new))

    def dvc(self, *arguments: str, during: Callable[["Running"], None] | None = None) -> Done:
        """Run DVC to its end, or to what `during` does to it."""
        said = self.home / "said.txt"
        with said.open("wb") as sink:
            process = psutil.Popen(
                [BIN / "dvc", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        memory = Memory(process)
        memory.start()
        try:
            if during:
                during(Running(process, said))
            status = process.wait(timeout=800)
        finally:
            if process.is_running():
                os.killpg(process.pid, signal.SIGKILL)
            memory.stop()
        return Done(status, said.read_text(errors="replace"), memory.peak / 2**20)

    def repro(self, *arguments: str, during: Callable[["Running"], None] | None = None) -> Done:
        """Do what ``make repro`` does once the environment stands."""
        return self.dvc("repro", "--pull", *arguments, during=during)

    def outputs(self) -> dict[str, str]:
        """Return the hash of each output of the stages, by path, as dvc.lock has it."""
        stages = yaml.safe_load((self.folder / "dvc.lock").read_text())["stages"]
        return {out["path"]: out["md5"] for made in stages.values() for out in made["outs"]}

    def partial(self) -> list[Path]:
        """List what stages began to write and did not finish."""
        return list(self.build.rglob(".*.partial"))

    def mlflow(self) -> MlflowClient:
        uri = self.variables.get("MLFLOW_TRACKING_URI", f"sqlite:///{self.folder / 'mlflow.db'}")
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def runs(self, experiment: str) -> list[Any]:
        client = self.mlflow()
        return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


@dataclass(frozen=True)
class Running:
    """A DVC at work."""

    process: psutil.Popen
    said: Path

    def wait_for(self, happened: Callable[[], bool], what: str) -> None:
        while not happened():
            assert self.process.poll() is None, f"it ended before {what}:\n{self.said.read_text()}"
            time.sleep(0.02)

    def reach(self, stage: str) -> None:
        """Wait until a stage starts."""
        self.wait_for(lambda: f"Running stage '{stage}'" in self.said.read_text(errors="replace"), stage)

    def kill(self) -> None:
        """End it and all its processes as a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)


class Memory(threading.Thread):
    """Looks at the memory of a process and all that it started; a page shared by two counts twice."""

    def __init__(self, process: psutil.Popen) -> None:
        super().__init__(daemon=True)
        self.process, self.peak, self.over = process, 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.2):
            self.peak = max(self.peak, self.now())

    def now(self) -> int:
        total = 0
        try:
            for one in (self.process, *self.process.children(recursive=True)):
                try:
                    total += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
        except psutil.NoSuchProcess:
            return 0
        return total

    def stop(self) -> None:
        self.over.set()
        self.join()
