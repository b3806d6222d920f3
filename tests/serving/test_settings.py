import subprocess
from pathlib import Path

import pytest
from champion import Home

from serving.settings import DEFAULT, FILE, Settings, SettingsError, load


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTION_DETECTOR_MODEL", raising=False)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own.yaml"
    monkeypatch.setenv(FILE, str(path))
    return path


def test_the_file_says_every_value(own: Path) -> None:
    own.write_text("{}")
    text = DEFAULT.read_text()
    assert load() == Settings()
    assert all(f"\n{name}:" in text for name in Settings.model_fields)


def test_a_file_of_ones_own_holds_only_what_is_to_be_otherwise(own: Path) -> None:
    own.write_text("queue: 7\nwindow: 2.5\n")
    assert (load().queue, load().window, load().hop) == (7, 2.5, 1)


def test_the_environment_has_the_last_word(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.write_text("queue: 7\nthreads: 2\n")
    monkeypatch.setenv("EMOTION_DETECTOR_QUEUE", "9")
    monkeypatch.setenv("EMOTION_DETECTOR_THREADS", "null")
    monkeypatch.setenv("EMOTION_DETECTOR_CACHE", "/elsewhere")  # the pipeline's, no setting
    assert (load().queue, load().threads) == (9, None)
    assert load().detections >= 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quue: 7\n", "quue: Extra inputs"),
        ("queue: many\n", "queue: Input should be a valid integer"),
        ("follow: everything\n", "follow: Input should be 'bundle', 'registry' or 'nothing'"),
        ("max_file_bytes: 99999999999\n", "max_file_bytes: Input should be less than"),
        ("workers: 0\n", "workers: Input should be greater than 0"),
        ("- queue\n", "no mapping in YAML"),
        ("queue: [\n", "no mapping in YAML"),
        ("token_file: /nowhere\n", "/nowhere is not there"),
        ("token: ''\n", "the token is empty"),
    ],
)
def test_names_what_does_not_fit_and_where(own: Path, text: str, said: str) -> None:
    own.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load()
    assert said in str(refused.value)
    assert str(own) in str(refused.value)


def test_a_file_that_is_not_there_is_named(own: Path) -> None:
    with pytest.raises(SettingsError, match=r"own\.yaml is not there"):
        load()


def test_the_token_comes_from_the_environment_or_a_file_and_is_not_shown(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.write_text("{}")
    assert load().secret is None
    monkeypatch.setenv("EMOTION_DETECTOR_TOKEN", "hush")
    assert load().secret == b"hush"
    assert "hush" not in repr(load())
    (tmp_path / "secret").write_text("mounted\n")
    monkeypatch.setenv("EMOTION_DETECTOR_TOKEN_FILE", str(tmp_path / "secret"))
    with pytest.raises(SettingsError, match="either token or token_file"):
        load()
    monkeypatch.delenv("EMOTION_DETECTOR_TOKEN")
    assert load().secret == b"mounted"


def test_a_service_does_not_start_with_a_wrong_value(home: Home) -> None:
    arguments = ["bentoml", "serve", "serving.service:EmotionDetector", "-p", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTION_DETECTOR_QUEUE", "many")
        done: subprocess.CompletedProcess[str] = home.run(*arguments)
    assert done.returncode != 0
    assert "queue: Input should be a valid integer" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
