"""A new champion while the service runs: taken over under load, or refused; and the way back."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from champion import Home

SERVICE = "serving.service:EmotionDetector"
TOKEN = "an-operators-token"
PATIENCE = 240.0  # seconds: the machine may be busy


def copied(home: Home, folder: Path) -> Home:
    for name in ("build", "bentoml"):
        shutil.copytree(home.folder / name, folder / name)
    shutil.copy(home.folder / "mlflow.db", folder)
    return Home(folder)


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.2)
    return held


def metric(address: str, sample: str) -> float:
    reply = requests.get(f"{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    found = [line for line in reply.text.splitlines() if line.startswith(f"{sample} ")]
    return float(found[0].removeprefix(sample)) if found else 0.0


def workers(address: str, version: str) -> float:
    return metric(address, f'emotion_detector_model_info{{name="emotion-detector-six",version="{version}"}}')


class Load:
    """Threads that ask again and again, and note status and version."""

    def __init__(self, address: str, clip: Path, threads: int = 3) -> None:
        self.address, self.data, self.seen = address, clip.read_bytes(), []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def _ask(self) -> None:
        while not self.over.is_set():
            try:
                reply = requests.post(f"{self.address}/predict", files={"audio": self.data}, timeout=120)
                self.seen.append((reply.status_code, reply.json().get("model", {}).get("version")))
            except requests.RequestException as error:
                self.seen.append((0, str(error)))

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def reached(self, version: str) -> bool:
        return eventually(lambda: (200, version) in self.seen[-9:])


@pytest.fixture(scope="module")
def own(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return copied(home, tmp_path_factory.mktemp("takeover"))


@pytest.fixture(scope="module")
def followed(own: Home, serve: Callable[..., Any]) -> Iterator[str]:
    with serve(SERVICE, own.folder, own.environment | {"EMOTION_DETECTOR_FOLLOW_EVERY": "0.3"}) as address:
        yield address


def bundle(own: Home, **changes: str) -> None:
    """Write a bundle.json of other contents as the stage does: whole, in the place of the one before."""
    path = own.folder / "build" / "bundle" / "bundle.json"
    told = json.loads(path.read_text()) | changes
    path.with_suffix(".new").write_text(json.dumps(told))
    os.replace(path.with_suffix(".new"), path)


def test_a_new_champion_is_taken_over_under_load_and_the_way_back_is_one_command(
    own: Home, followed: str, clip: Path
) -> None:
    with Load(followed, clip) as load:
        assert load.reached("1")
        own.crown()
        done = own.run("pipeline.bundle")
        assert done.returncode == 0, done.stderr
        assert load.reached("2"), (own.folder / "service.log").read_text()
        back = own.run("pipeline.promote", "version=1")
        assert back.returncode == 0, back.stderr
        assert load.reached("1")
    assert {status for status, _ in load.seen} == {200}
    assert {version for _, version in load.seen} == {"1", "2"}
    assert (own.champion["version"], own.champion["reason"]) == ("1", "by hand: version=1")
    assert metric(followed, 'emotion_detector_takeovers_total{result="taken"}') == 2
    assert (workers(followed, "1"), workers(followed, "2")) == (1, 0)
    assert "champion taken over" in (own.folder / "service.log").read_text()


def test_a_champion_that_is_not_fit_is_refused_and_the_old_one_goes_on(
    own: Home, followed: str, clip: Path
) -> None:
    before = requests.post(f"{followed}/predict", files={"audio": clip.read_bytes()}, timeout=60).json()
    stored = own.folder / "bentoml" / "models" / "emotion-detector-six"
    shutil.copytree(stored / "2", stored / "9")
    card = stored / "9" / "model.yaml"
    card.write_text(card.read_text().replace("version: '2'", "version: '9'"))
    told = next((stored / "9").rglob("model.json"))
    facts = json.loads(told.read_text())
    facts["answer"] = dict.fromkeys(facts["answer"], 1 / 6)
    told.write_text(json.dumps(facts))
    kept = (own.folder / "build" / "bundle" / "bundle.json").read_text()
    bundle(own, model="emotion-detector-six:9", run_id="of-nine")
    refused = 'emotion_detector_takeovers_total{result="refused"}'
    assert eventually(lambda: metric(followed, refused) == 1)
    log = (own.folder / "service.log").read_text()
    assert '"event": "champion refused", "name": "emotion-detector-six", "version": "9"' in log
    assert "answers otherwise than when it was stored" in log
    after = requests.post(f"{followed}/predict", files={"audio": clip.read_bytes()}, timeout=60).json()
    assert after == before
    bundle(own, **json.loads(kept))
    assert metric(followed, refused) == 1


def test_a_bundle_that_cannot_be_read_is_told(own: Home, followed: str) -> None:
    path = own.folder / "build" / "bundle" / "bundle.json"
    kept, gauge = path.read_text(), 'emotion_detector_followed_reachable{followed="bundle"}'
    path.write_text("{")
    assert eventually(lambda: metric(followed, gauge) == 0)
    path.write_text(kept)
    assert eventually(lambda: metric(followed, gauge) == 1)
    assert requests.get(f"{followed}/readyz", timeout=60).ok


@pytest.fixture(scope="module")
def strict(home: Home, serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two workers that follow the registry, with a token and a rate."""
    own = copied(home, tmp_path_factory.mktemp("strict"))
    settings = {
        "FOLLOW": "registry",
        "FOLLOW_EVERY": "0.3",
        "WORKERS": "2",
        "TOKEN": TOKEN,
        "RATE": "1",
        "BURST": "30",
    }
    chosen = {f"EMOTION_DETECTOR_{name}": value for name, value in settings.items()}
    with serve(SERVICE, own.folder, own.environment | chosen) as address:
        yield own, address


def test_answers_those_who_have_the_token(strict: tuple[Home, str], clip: Path) -> None:
    _, address = strict
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        reply = requests.post(f"{address}/predict", headers=given, files={"audio": b"RIFF"}, timeout=60)
        assert reply.status_code == 401
        assert reply.json()["error"]["code"] == "token"
        assert reply.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/model", "/model/card", "/metrics", "/nothing"):
        assert requests.get(address + path, timeout=60).status_code == 401
    for path in ("/", "/docs", "/docs.json", "/page/icon.svg", "/healthz", "/readyz"):
        assert requests.get(address + path, timeout=60).status_code == 200
    right = {"Authorization": f"Bearer {TOKEN}"}
    reply = requests.post(f"{address}/predict", headers=right, files={"audio": clip.read_bytes()}, timeout=60)
    assert reply.status_code == 200
    described = requests.get(f"{address}/docs.json", timeout=60).json()
    assert described["paths"]["/predict"]["post"]["security"] == [{"token": []}]


def test_all_workers_follow_the_registry_and_go_on_without_it(strict: tuple[Home, str]) -> None:
    own, address = strict
    assert eventually(lambda: workers(address, "1") == 2)
    own.crown()
    assert eventually(lambda: (workers(address, "1"), workers(address, "2")) == (0, 2))
    gauge = 'emotion_detector_followed_reachable{followed="registry"}'
    assert metric(address, gauge) == 1
    (own.folder / "mlflow.db").rename(own.folder / "gone.db")
    assert eventually(lambda: metric(address, gauge) == 0)
    assert not (own.folder / "mlflow.db").exists(), "an empty one must not be made in its place"
    (own.folder / "mlflow.db").write_bytes(b"no database" * 999)
    told = requests.get(f"{address}/model", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60).json()
    assert told["version"] == "2"
    assert told["metrics"]["test.uar"] == 0.61
    (own.folder / "gone.db").replace(own.folder / "mlflow.db")
    assert eventually(lambda: metric(address, gauge) == 1)


def test_a_worker_that_is_killed_is_replaced(strict: tuple[Home, str]) -> None:
    own, address = strict
    (server,) = [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if "bentoml" in (process.info["cmdline"] or []) and process.info["cwd"] == str(own.folder)
    ]
    killed = server.children()[0]
    os.kill(killed.pid, signal.SIGKILL)
    assert eventually(lambda: requests.get(f"{address}/readyz", timeout=60).ok)
    assert eventually(lambda: workers(address, "2") == 1), "the dead one does not count"
    assert eventually(lambda: workers(address, "2") == 2), "the one in its place follows too"
    assert killed.pid not in [child.pid for child in server.children()]


def test_a_client_that_asks_too_much_waits(strict: tuple[Home, str]) -> None:
    _, address = strict
    right = {"Authorization": f"Bearer {TOKEN}"}
    replies = [
        requests.post(f"{address}/predict/batch", headers=right, files=[("audio", b"words")] * 31, timeout=60)
        for _ in range(4)
    ]
    assert replies[0].status_code == 200
    late = [reply for reply in replies if reply.status_code == 429]
    assert len(late) >= 2  # each of the two workers lets one through
    for reply in late:
        assert reply.json()["error"]["code"] == "rate"
        assert int(reply.headers["Retry-After"]) >= 1
