"""What the tests share: configurations composed from conf/, and a small build made by the stages."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from filelock import FileLock
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from project import Done, Project

from pipeline import augment, features, merge, split
from pipeline.acoustics.logmel import LogMel
from pipeline.acoustics.statistics import Statistics
from pipeline.acoustics.warmup import warm_up
from pipeline.audio import RATE
from pipeline.config import Config
from pipeline.corpora import CORPORA
from pipeline.stage import CACHE_VARIABLE, ROOT, choices, validated

PITCHES = {
    "01": 110.0,
    "03": 290.0,
    "04": 140.0,
    "05": 360.0,
    "06": 230.0,
    "07": 180.0,
}  # Hz, by RAVDESS code


def pytest_configure(config: pytest.Config) -> None:
    """Compile librosa's loops before workers, and the stages that they start, would do it at once."""
    if not hasattr(config, "workerinput"):
        warm_up([Statistics(), LogMel()])


def composed(*overrides: str) -> DictConfig:
    """Compose conf/ as a stage's command line does, params.yaml first; Hydra's own part is set aside."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        given = {override.split("=")[0].lstrip("+~") for override in overrides}
        defaults = [choice for choice in choices() if choice.split("=")[0] not in given]
        cfg = hydra_compose("config", overrides=[*defaults, *overrides], return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    return OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])


def spoken(pitch: float, seed: int, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    """Return a hummed vowel: ten falling harmonics and a little noise, float32 within [-1, 1]."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    harmonics = range(1, 11)
    tones = sum(np.sin(2 * np.pi * k * pitch * time + rng.uniform(0, 6)) / k for k in harmonics)
    return (0.2 * tones + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def downloaded(build: Path, *present: str) -> None:
    """Say in each corpus's source.json whether `download` brought it."""
    for corpus in CORPORA:
        folder = build / "download" / corpus
        folder.mkdir(parents=True, exist_ok=True)
        state = "found" if corpus in present else "missing"
        (folder / "source.json").write_text(json.dumps({"state": state}))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give what is kept from run to run a folder of the session's own."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv(CACHE_VARIABLE, str(cache))
        yield cache


@pytest.fixture(scope="session")
def compose() -> Callable[..., DictConfig]:
    return composed


@pytest.fixture(scope="session")
def configure() -> Callable[..., Config]:
    return lambda *overrides: validated(composed(*overrides))


@pytest.fixture(scope="session")
def voice() -> Callable[..., np.ndarray]:
    return spoken


@pytest.fixture(scope="session")
def say_downloaded() -> Callable[..., None]:
    return downloaded


@pytest.fixture(scope="session")
def small_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty clips of five actors through merge, split, augment and features: to be read, not written."""
    build = tmp_path_factory.mktemp("small") / "build"
    downloaded(build, "ravdess")
    for actor in (1, 3, 4, 8, 11):
        folder = build / "download" / "ravdess" / f"Actor_{actor:02}"
        folder.mkdir()
        for code, pitch in PITCHES.items():
            for take in (1, 2):
                sound = spoken(pitch * (1 + actor / 50), seed=actor * 100 + int(code) * 10 + take)
                sf.write(folder / f"03-01-{code}-01-01-{take:02}-{actor:02}.wav", sound, RATE)
    cfg = validated(composed(f"build={build}", "jobs=2", "augmentation=double"))
    for stage in (merge, split, augment, features):
        stage.main(cfg)
    return build


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Done]:
    """A fresh clone in which the whole pipeline has run, and what DVC said: to be read, not written.

    The choices are the project's own. All workers share the one that the first of them makes.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    project, told = Project(shared / "complete"), shared / "complete.json"
    with FileLock(shared / "complete.lock"):
        if not told.exists():
            Project.fresh(project.home)
            told.write_text(json.dumps(asdict(project.repro())))
    return project, Done(**json.loads(told.read_text()))


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point MLflow at an empty database of the test's own, and its artifacts beside it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mlflow.db"
