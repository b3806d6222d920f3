"""What is hard to bring about from outside: a queue that is full, a fault of ours, time that runs out."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

import serving.detection
from serving.answers import Answer
from serving.app import application
from serving.champion import Champion
from serving.guard import Guard
from serving.settings import load


def client(monkeypatch: pytest.MonkeyPatch, answer: object, **settings: object) -> TestClient:
    monkeypatch.setattr(serving.detection, "answer", answer)
    champion = Champion()
    champion.version = SimpleNamespace(facts={"version": "1"}, card=None)
    chosen = load().model_copy(update={"threads": 1, **settings})
    return TestClient(Guard(chosen, application(chosen, champion)), raise_server_exceptions=False)


def broken(*_: object) -> None:
    raise RuntimeError("a secret of the inside")


def slow(*_: object) -> Answer:
    time.sleep(1)
    told = {"emotion": "sad", "probabilities": {"sad": 1.0}, "unsure": False, "warnings": []}
    return Answer.model_construct(_fields_set=set(told), **told)


def test_keeps_its_own_faults_to_itself(
    monkeypatch: pytest.MonkeyPatch, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = client(monkeypatch, broken).post("/predict", files={"audio": clip.read_bytes()})
    assert reply.status_code == 500
    assert set(reply.json()["error"]) == {"code", "message", "hint"}
    assert "secret" not in reply.text
    assert reply.headers["X-Request-ID"] in capsys.readouterr().out


@pytest.mark.parametrize("settings", [{"queue": 0}, {"queue": 9, "wait": 0.2}])
def test_sends_clients_away_when_too_many_wait_or_wait_too_long(
    monkeypatch: pytest.MonkeyPatch, clip: Path, settings: dict[str, object]
) -> None:
    with client(monkeypatch, slow, **settings) as asked, ThreadPoolExecutor(4) as pool:
        replies = list(
            pool.map(lambda _: asked.post("/predict", files={"audio": clip.read_bytes()}), range(4))
        )
    refused = [reply for reply in replies if reply.status_code == 429]
    assert 1 <= len(refused) <= 3
    assert {reply.status_code for reply in replies} == {200, 429}
    for reply in refused:
        assert reply.headers["Retry-After"] == "1"
        assert reply.json()["error"]["code"] == "busy"


def test_says_that_it_took_too_long(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    files = [("audio", clip.read_bytes())] * 9
    reply = client(monkeypatch, slow, timeout=0.2).post("/predict/batch", files=files)
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "timeout"


def test_says_that_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = client(monkeypatch, broken).get("/model/card")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "card"
