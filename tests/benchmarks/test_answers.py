import io
import threading
from collections.abc import Iterator

import pandas as pd
import pytest
import soundfile as sf
from werkzeug.serving import make_server

from benchmarks.answers import alone, clip, together
from benchmarks.textbook import application


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_the_clip_is_three_seconds_of_sound(rate: int) -> None:
    sound, told = sf.read(io.BytesIO(clip(rate)))
    assert (len(sound), told) == (3 * rate, rate)
    assert 0.3 < abs(sound).max() < 1


def test_the_textbook_service_answers() -> None:
    client = application().test_client()
    reply = client.post("/predict", data={"audio": (io.BytesIO(clip(16_000)), "clip.wav")})
    assert reply.status_code == 200
    assert sum(reply.json["probabilities"]) == pytest.approx(1)
    assert client.get("/readyz").status_code == 200


@pytest.fixture
def service() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


def test_the_services_are_asked_in_turns_and_failures_are_counted(service: str) -> None:
    told = alone({"ours": service, "textbook": "http://127.0.0.1:9"}, 10)
    assert told.groupby(["service", "sound"]).ms.count().to_dict() == {
        ("ours", "16 kHz"): 10,
        ("ours", "48 kHz"): 10,
        ("textbook", "16 kHz"): 0,
    }
    answered: pd.Series = together(service, clients=3, seconds=1)
    assert len(answered) >= 3
    assert answered.notna().all()
