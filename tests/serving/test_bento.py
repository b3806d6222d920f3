import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from champion import Home

NOWHERE = "http://127.0.0.1:9"


def test_a_bento_serves_alone_from_an_empty_folder(
    home: Home, service: str, serve: Callable[..., object], clip: Path, tmp_path: Path
) -> None:
    archive, bento, elsewhere = tmp_path / "a.bento", tmp_path / "bento", tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = home.run("bentoml", "export", "emotion-detector-six:1", str(archive))
    assert done.returncode == 0, done.stderr
    with tarfile.open(archive) as packed:
        packed.extractall(bento, filter="data")
    alone = {
        **{name: value for name, value in home.environment.items() if name != "PYTHONPATH"},
        "BENTOML_HOME": str(tmp_path / "home"),
        "MLFLOW_TRACKING_URI": NOWHERE,
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1",
    }
    with serve(str(bento), elsewhere, alone) as address:
        answers = [
            requests.post(f"{at}/predict", files={"audio": clip.read_bytes()}, timeout=60).json()
            for at in (address, service)
        ]
    assert answers[0]["model"] == answers[1]["model"]
    assert answers[0]["probabilities"] == pytest.approx(answers[1]["probabilities"])
