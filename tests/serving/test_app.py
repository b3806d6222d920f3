from pathlib import Path

import pytest
from anyio import CapacityLimiter
from starlette.testclient import TestClient

import serving.app
from serving.app import app


class Broken:
    def detect(self, samples: object) -> None:
        raise RuntimeError("a secret of the inside")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(app.state, "limiter", CapacityLimiter(1), raising=False)
    monkeypatch.setattr(app.state, "detector", Broken(), raising=False)
    monkeypatch.setattr(app.state, "model", {}, raising=False)
    return TestClient(app, raise_server_exceptions=False)


def test_sends_clients_away_when_too_many_wait(
    client: TestClient, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.app, "QUEUE", 0)
    reply = client.post("/predict", files={"audio": clip.read_bytes()})
    assert reply.status_code == 429
    assert reply.headers["Retry-After"] == "1"
    assert reply.json()["error"]["code"] == "busy"


def test_keeps_its_own_faults_to_itself(client: TestClient, clip: Path) -> None:
    reply = client.post("/predict", files={"audio": clip.read_bytes()})
    assert reply.status_code == 500
    assert set(reply.json()["error"]) == {"code", "message", "hint"}
    assert "secret" not in reply.text
