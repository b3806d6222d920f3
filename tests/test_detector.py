from pathlib import Path

import mlflow
import numpy as np
import pytest
import skops.io
import yaml
from mlflow.exceptions import MlflowException
from skops.io.exceptions import UntrustedTypesFoundException

from pipeline import tracking
from pipeline.acoustics.logmel import LogMel
from pipeline.acoustics.statistics import Statistics
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.architectures.mlp import MLP
from pipeline.detector import Detector
from pipeline.stage import ROOT
from pipeline.taxonomy import EMOTIONS, Node

TREE = yaml.safe_load((ROOT / "conf" / "taxonomy" / "six.yaml").read_text())["tree"]
VIEWS = {"statistics": Statistics(), "logmel": LogMel()}


class Stranger(MLP):
    """A type that no detector is known to hold."""


@pytest.fixture(scope="module")
def sounds(voice) -> list[np.ndarray]:
    return [voice(90.0 * (i + 1), seed, 0.4) for i in range(6) for seed in range(3)]


def fitted(sounds: list[np.ndarray], estimator: object) -> Detector:
    view = VIEWS["statistics"]
    X = {"statistics": view.stack([view(sound) for sound in sounds])}
    return Detector(estimator.fit(X, np.repeat(EMOTIONS, 3)), VIEWS, TREE, "sample")


@pytest.fixture(scope="module")
def detector(sounds: list[np.ndarray]) -> Detector:
    return fitted(sounds, Hierarchical(TREE, MLP(units=32, batch_size=6, max_iter=100, random_state=0)))


@pytest.fixture(scope="module")
def flat(sounds: list[np.ndarray]) -> Detector:
    return fitted(sounds, MLP(units=32, batch_size=6, max_iter=100, random_state=0))


def test_it_keeps_the_views_that_it_reads(detector: Detector):
    assert list(detector.views) == ["statistics"]
    assert detector.classes == EMOTIONS


@pytest.mark.parametrize("kind", ["detector", "flat"])
def test_a_saved_detector_answers_the_same(
    request: pytest.FixtureRequest, tmp_path: Path, sounds: list[np.ndarray], kind: str
):
    detector = request.getfixturevalue(kind)
    detector.save(tmp_path / "detector")
    assert [p.name for p in (tmp_path / "detector").iterdir()] == ["detector.skops"]
    loaded = Detector.load(tmp_path / "detector")
    assert np.array_equal(loaded.probabilities(sounds), detector.probabilities(sounds))
    assert loaded.detect(sounds[0]) == detector.detect(sounds[0])
    assert (loaded.trained_on, loaded.tree, loaded.classes) == ("sample", TREE, EMOTIONS)


def test_a_type_that_is_not_on_the_list_is_refused(tmp_path: Path, sounds: list[np.ndarray]):
    fitted(sounds, Stranger(units=8, max_iter=5)).save(tmp_path)
    with pytest.raises(UntrustedTypesFoundException, match="Stranger"):
        Detector.load(tmp_path)


def test_what_is_no_detector_is_refused(tmp_path: Path):
    skops.io.dump({"emotion": "happy"}, tmp_path / "detector.skops")
    with pytest.raises((TypeError, AssertionError)):
        Detector.load(tmp_path)


@pytest.mark.parametrize("kind", ["detector", "flat"])
def test_the_path_descends_the_tree_to_the_emotion(
    request: pytest.FixtureRequest, sounds: list[np.ndarray], kind: str
):
    detector = request.getfixturevalue(kind)
    seen = set()
    for sound in sounds:
        answer = detector.detect(sound)
        seen.add(answer.emotion)
        assert answer.emotion == max(answer.probabilities, key=answer.probabilities.get)
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-6)
        assert [s.node for s in answer.path] == [n.name for n in Node.read(TREE).path(answer.emotion)]
        assert answer.path[-1].node == answer.emotion
        assert answer.path[-1].probability == pytest.approx(answer.probabilities[answer.emotion], abs=1e-12)
        chances = [1.0, *(step.probability for step in answer.path)]
        assert chances == sorted(chances, reverse=True) or np.ptp(chances[:2]) < 1e-9
    assert len(seen) == 6  # every path was walked


def test_a_step_is_what_its_classes_have_together(detector: Detector, sounds: list[np.ndarray]):
    answer = detector.detect(sounds[3 * EMOTIONS.index("fear")])
    assert [step.node for step in answer.path] == ["subdued", "distressed", "fear"]
    chances = answer.probabilities
    distressed = chances["sad"] + chances["fear"] + chances["disgust"]
    assert answer.path[1].probability == pytest.approx(distressed, abs=1e-12)
    assert answer.path[0].probability == pytest.approx(distressed + chances["neutral"], abs=1e-12)


def test_an_answer_is_ready_for_json(detector: Detector, sounds: list[np.ndarray]):
    told = detector.detect(sounds[0]).to_dict()
    assert set(told) == {"emotion", "probabilities", "unsure", "path"}
    assert told["unsure"] is False
    assert all(type(p) is float for p in told["probabilities"].values())
    assert set(told["path"][0]) == {"node", "probability"}


def test_sounds_of_several_lengths_go_together(detector: Detector, voice):
    mixed = [voice(200.0, 1, seconds) for seconds in (0.1, 0.5, 1.3)]
    together = detector.probabilities(mixed)
    for i, sound in enumerate(mixed):
        assert np.abs(detector.probabilities([sound])[0] - together[i]).max() <= 1e-6


def test_mlflow_s_model_is_the_detector(database: Path, detector: Detector, sounds: list[np.ndarray]):
    tracking.connect()
    with tracking.run("test", "detector", {}):
        address = tracking.log_detector(detector)
    model = mlflow.pyfunc.load_model(address)
    batch = np.stack(sounds[::4])
    answers = model.predict(batch)
    assert list(answers.columns) == list(EMOTIONS)
    assert np.array_equal(answers.to_numpy(), detector.probabilities(list(batch)))
    assert np.array_equal(model.get_raw_model().probabilities(sounds[:1]), detector.probabilities(sounds[:1]))
    assert model.metadata.signature.inputs.to_dict()[0]["tensor-spec"] == {
        "dtype": "float32",
        "shape": (-1, -1),
    }
    assert model.input_example.shape == (1, 16_000)
    for wrong in (batch.astype(np.int64), batch[0], np.array([["happy"]])):
        with pytest.raises(MlflowException, match=r"(?i)incompatible|shape|type"):
            model.predict(wrong)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 1.0])
def test_an_answer_below_the_threshold_is_unsure(sounds, threshold: float):
    certain = fitted(sounds, MLP(max_iter=40, random_state=0))
    detector = Detector(certain.estimator, VIEWS, TREE, "sample", threshold)
    answers = [detector.detect(sound) for sound in sounds]
    assert [answer.unsure for answer in answers] == [
        max(answer.probabilities.values()) < threshold for answer in answers
    ]
