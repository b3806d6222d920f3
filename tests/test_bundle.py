import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import yaml
from champion import CARD, FACTS, NAME, Home, bundled
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline import bundle
from pipeline.detector import about
from pipeline.stage import PipelineError
from pipeline.taxonomy import EMOTIONS
from pipeline.version import Version

# The service, in an environment that lacks the packages named on the command line.
ALONE = """
import importlib.metadata as metadata
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in sys.argv[1:] else super().find_spec(name, path, target)

def version(name, known=metadata.version):  # mlflow-skinny asks whether it is alone
    if name == "mlflow":
        raise metadata.PackageNotFoundError(name)
    return known(name)

sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
metadata.version = version

import numpy as np
from pipeline.audio import RATE
from serving import card, openapi
from serving.service import EmotionDetector, champion, settings

EmotionDetector.inner()
assert openapi.describe(settings) and card.rendered(champion.serving.card)
print(champion.serving.detector.detect(np.ones(RATE, dtype=np.float32)).emotion)
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return bundled(tmp_path_factory.getbasetemp())


@pytest.fixture
def own(made: Home, tmp_path: Path) -> Home:
    """Copy the home, to be changed."""
    shutil.copytree(made.folder / "build", tmp_path / "build")
    shutil.copytree(made.folder / "bentoml", tmp_path / "bentoml")
    shutil.copy(made.folder / "mlflow.db", tmp_path)
    return Home(tmp_path)


def model(home: Home) -> Path:
    return home.folder / "bentoml" / "models" / "emotion-detector-six" / "1"


def test_pins_the_champions_version(made: Home) -> None:
    written = json.loads((made.folder / "build" / "bundle" / "bundle.json").read_text())
    tag = f"{made.champion['name']}:{made.champion['version']}"
    assert written == {"model": tag, "bento": tag, **made.champion}
    bento = made.folder / "bentoml" / "bentos" / tag.replace(":", "/")
    assert json.loads((bento / "src" / "build" / "bundle" / "bundle.json").read_text()) == written
    assert (
        yaml.safe_load((model(made) / "model.yaml").read_text())["metadata"]["run_id"]
        == made.champion["run_id"]
    )
    assert tag in [entry["tag"] for entry in yaml.safe_load((bento / "bento.yaml").read_text())["models"]]


def test_knows_of_the_version_what_the_registry_knows(made: Home) -> None:
    version = Version.read(model(made))
    assert version is not None
    version.check()
    assert version.about == about(NAME, "1", "sample")
    assert version.card == CARD
    for key in ("commit", "splits", "architecture", "protocol"):
        assert version.facts[key] == FACTS[key]
    assert version.facts["metrics"] == {"test.uar": 0.61, "test.uar_low": 0.55, "validation.uar": 0.65}
    assert version.facts["date"] == datetime.now(UTC).date().isoformat()


def test_carries_the_service_alone(made: Home) -> None:
    (src,) = (made.folder / "bentoml" / "bentos").glob("*/*/src")
    carried = {path.relative_to(src).parts[0] for path in src.rglob("*") if path.is_file()}
    assert carried == {"bentofile.yaml", "build", "pipeline", "serving"}
    assert not (src / "pipeline" / "train.py").exists()
    assert (src / "serving" / "page" / "index.html").exists()


def test_a_second_run_adds_nothing(own: Home) -> None:
    before = (model(own) / "model.yaml").stat().st_mtime_ns
    done = own.run("pipeline.bundle")
    assert done.returncode == 0, done.stderr
    assert (model(own) / "model.yaml").stat().st_mtime_ns == before
    for store in ("models", "bentos"):
        kept = sorted(
            path.name for path in (own.folder / "bentoml" / store / "emotion-detector-six").iterdir()
        )
        assert kept == ["1", "latest"]


def test_replaces_a_model_that_is_not_whole_or_of_another_run(own: Home) -> None:
    (stored,) = model(own).rglob("detector.skops")
    whole = stored.read_bytes()
    stored.write_bytes(whole[: len(whole) // 2])
    assert own.run("pipeline.bundle").returncode == 0
    assert next(model(own).rglob("detector.skops")).read_bytes() == whole

    told = next(model(own).rglob("model.json"))
    told.unlink()  # as of a store from before it was kept there
    assert own.run("pipeline.bundle").returncode == 0
    assert told.is_file()

    card = model(own) / "model.yaml"
    card.write_text(card.read_text().replace(own.champion["run_id"], "of-a-database-that-is-gone"))
    assert own.run("pipeline.bundle").returncode == 0
    assert own.champion["run_id"] in card.read_text()


def test_says_that_the_version_cannot_be_had(own: Home) -> None:
    own.promoted(**{**own.champion, "version": "7"})
    shutil.rmtree(own.folder / "build" / "bundle")
    done = own.run("pipeline.bundle")
    assert done.returncode == 1
    assert "emotion-detector-six/7" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (own.folder / "build").iterdir()] == ["promote"]


@pytest.mark.parametrize("champion", [None, {}])
def test_says_that_there_is_no_champion(tmp_path: Path, champion: dict[str, str] | None) -> None:
    if champion is not None:
        (tmp_path / "promote").mkdir()
        (tmp_path / "promote" / "champion.json").write_text(json.dumps(champion))
    with pytest.raises(PipelineError, match="promote"):
        bundle.read(tmp_path)


def test_the_service_needs_no_more_than_its_requirements(made: Home) -> None:
    pinned = {Requirement(line).name for line in bundle.requirements()} | {"bentoml", "emotion-detector"}
    owners = packages_distributions().items()
    absent = [name for name, owned in owners if not pinned & {canonicalize_name(owner) for owner in owned}]
    assert {"dvc", "hydra", "sqlalchemy", "matplotlib"} <= set(absent)
    alone = subprocess.run(
        [sys.executable, "-c", ALONE, *absent],
        cwd=made.folder,
        env=made.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.strip() in EMOTIONS


def test_requirements_are_exact() -> None:
    lines = bundle.requirements()
    assert f"librosa=={version('librosa')}" in lines
    assert f"numba=={version('numba')}" in lines  # which librosa needs
    assert all("==" in line for line in lines)
