"""A small real champion for the tests of what serves it: trained on tones, registered, promoted, bundled."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import tracking
from pipeline.acoustics.statistics import Statistics
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.architectures.mlp import MLP
from pipeline.audio import RATE
from pipeline.detector import Detector
from pipeline.stage import ROOT
from pipeline.taxonomy import Node

NAME = "emotion-detector-six"
FACTS = {  # what `train` says of a run
    "architecture": "hierarchical",
    "augmentation": "none",
    "commit": "0123456789",
    "corpora": "ravdess+tess",
    "protocol": "folds",
    "shares_speakers": "False",
    "splits": "abcdef",
    "taxonomy": "six",
    "view": "statistics",
}
METRICS = {"test.uar": 0.61, "test.uar_low": 0.55, "test.corpus.ravdess.uar": 0.61, "validation.uar": 0.65}
CARD = "# A card\n\n## Uses\n\nFor research.\n"


def tone(pitch: float, seed: int, seconds: float = 1.0) -> np.ndarray:
    """Return a sine in a little noise, float32, 16 kHz."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def detector(trained_on: str = "sample") -> Detector:
    """Train a detector of six classes on three tones each."""
    tree = yaml.safe_load((ROOT / "conf" / "taxonomy" / "six.yaml").read_text())["tree"]
    classes, view = Node.read(tree).classes, Statistics()
    tones = [tone(200.0 * place, seed) for place in range(1, len(classes) + 1) for seed in range(3)]
    table = {"statistics": view.stack([view(sound) for sound in tones])}
    estimator = Hierarchical(tree, MLP(units=16, max_iter=60, random_state=0)).fit(
        table, np.repeat(classes, 3)
    )
    return Detector(estimator, {"statistics": view}, tree, trained_on)


@dataclass(frozen=True)
class Home:
    """A project's folder of its own: MLflow's database, what `promote` wrote, BentoML's stores."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a program must be given to work in it, offline."""
        return {
            **os.environ,
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
            "BENTOML_HOME": str(self.folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "PYTHONPATH": str(ROOT),
            "PIP_NO_INDEX": "1",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a module of Python in it."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def crown(self, trained_on: str = "sample", card: str | None = CARD, **facts: str) -> Detector:
        """Train a detector and make it champion, as `train` and `promote` do."""
        crowned = detector(trained_on)
        tags = {"trained_on": trained_on, **FACTS, **facts}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", self.environment["MLFLOW_TRACKING_URI"])
            patch.chdir(self.folder)
            tracking.connect()
            with tracking.run(NAME, "tones", tags) as run_id:
                tracking.log_metrics(METRICS)
                address = tracking.log_detector(crowned)
            version = tracking.register(NAME, run_id, address, {"trained_on": trained_on})
            if card is not None:
                tracking.attach_card(version, card)
            tracking.promote(version)
        self.promoted(name=NAME, version=str(version.version), run_id=run_id, trained_on=trained_on)
        return crowned

    def promoted(self, **champion: Any) -> None:
        """Write what `promote` writes."""
        folder = self.folder / "build" / "promote"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "champion.json").write_text(json.dumps(champion))

    @property
    def champion(self) -> dict[str, Any]:
        """What `promote` wrote."""
        read: dict[str, Any] = json.loads((self.folder / "build" / "promote" / "champion.json").read_text())
        return read


def bundled(base: Path) -> Home:
    """Return a home with a bundled champion below `base`; the first call makes it."""
    home = Home(base / "bundled")
    if not home.folder.exists():
        home.folder.mkdir()
        home.crown()
        done = home.run("pipeline.bundle")
        assert done.returncode == 0, done.stderr
    return home
