import base64
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from champion import CARD, FACTS, NAME, Home

from pipeline.audio import MAX_BYTES, decode
from pipeline.detector import DEMONSTRATION, Detector
from pipeline.taxonomy import EMOTIONS, Node
from serving.card import rendered


def post(service: str, **request: Any) -> requests.Response:
    return requests.post(f"{service}/predict", timeout=60, **request)


def assert_refused(reply: requests.Response, status: int, code: str) -> None:
    assert reply.status_code == status, reply.text
    assert set(reply.json()) == {"error"}
    error = reply.json()["error"]
    assert error["code"] == code
    assert set(error) == {"code", "message", "hint"}
    assert error["message"]
    assert error["hint"]
    assert "Traceback" not in reply.text
    assert "/tmp" not in reply.text


def test_curl_gets_the_answer_of_the_bundled_detector(service: str, clip: Path, home: Home) -> None:
    done = subprocess.run(
        ["curl", "-sS", "-F", f"audio=@{clip}", f"{service}/predict"],
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    (saved,) = (home.folder / "bentoml" / "models").rglob("detector.skops")
    expected = Detector.load(saved.parent).detect(decode(clip).samples).to_dict()
    assert answer["file"] == clip.name
    assert answer["emotion"] == expected["emotion"]
    assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-9)
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert [step["node"] for step in answer["path"]] == [step["node"] for step in expected["path"]]
    champion = home.champion
    assert answer["model"] == {
        "name": champion["name"],
        "version": champion["version"],
        "trained_on": "sample",
        "note": DEMONSTRATION,
    }
    assert answer["seconds"] == 3
    assert [warning["code"] for warning in answer["warnings"]] == []
    assert {"timeline", "picture"}.isdisjoint(answer)


def test_says_the_same_as_detect(service: str, clip: Path, home: Home) -> None:
    line = json.loads(home.run("pipeline.detect", "--taxonomy", "six", str(clip)).stdout)
    answer = post(service, files={"audio": clip.read_bytes()}).json()
    assert line.pop("file") == str(clip)
    assert answer.items() >= line.items()


@pytest.mark.parametrize("kind", ["audio/wav", "application/octet-stream"])
def test_takes_the_bare_body(service: str, clip: Path, kind: str) -> None:
    reply = post(service, data=clip.read_bytes(), headers={"Content-Type": kind})
    assert reply.status_code == 200
    assert reply.json()["file"] is None
    in_form = post(service, files={"audio": ("clip.wav", clip.read_bytes())}).json()
    assert reply.json()["probabilities"] == in_form["probabilities"]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\voices\\a.wav", "a.wav"),
        ("a\x00\x1bb.wav", "ab.wav"),
        ("שלום.wav", "שלום.wav"),
        ("x" * 4000, "x" * 255),
    ],
)
def test_repeats_a_file_name_without_its_dangers(service: str, clip: Path, sent: str, said: str) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="audio"; filename="{sent}"\r\n\r\n'.replace(
        "\\", "\\\\"
    )
    body = head.encode() + clip.read_bytes() + b"\r\n--b--\r\n"
    reply = post(service, data=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert reply.json()["file"] == said


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ([("audio", ("a.wav", b""))], 422, "empty"),
        ([("audio", ("a.wav", b"these are words" * 99))], 415, "unreadable"),
        ([("audio", ("a.wav", b"RIFF\xff\xff\xff\xffWAVEfmt "))], 415, "unreadable"),
        ([("sound", ("a.wav", b"RIFF"))], 400, "field"),
        ([("audio", ("a.wav", b"RIFF")), ("audio", ("b.wav", b"RIFF"))], 400, "field"),
        ([("audio", ("a.wav", b"RIFF"))] * 20, 400, "form"),
        ([("audio", (None, "http://127.0.0.1:1/a.wav"))], 400, "field"),
    ],
    ids=["empty", "text", "header", "wrong field", "two fields", "twenty fields", "text in the field"],
)
def test_refuses_a_form(service: str, files: list[Any], status: int, code: str) -> None:
    assert_refused(post(service, files=files), status, code)


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("application/json", b'{"audio": "a"}', 415, "media"),
        ("application/x-www-form-urlencoded", b"audio=a", 415, "media"),
        ("audio/wav", b"", 422, "empty"),
        ("multipart/form-data", b"--b\r\n", 400, "form"),
        ("multipart/form-data; boundary=b", b"no form at all", 400, "form"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="audio"',
            400,
            "field",
        ),
        ("multipart/form-data; boundary=\xff", b"--b--", 400, "form"),
    ],
)
def test_refuses_a_body(service: str, kind: str, body: bytes, status: int, code: str) -> None:
    assert_refused(post(service, data=body, headers={"Content-Type": kind.encode("latin-1")}), status, code)


def test_fetches_no_address_that_it_is_given(service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.5)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/a.wav"
        assert_refused(post(service, files={"audio": (None, address)}), 400, "field")
        with pytest.raises(TimeoutError):
            trap.accept()


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 2**20):
        yield bytes(2**20)


@pytest.mark.parametrize("announced", [True, False])
def test_refuses_a_body_over_the_limit(service: str, announced: bool) -> None:
    size = MAX_BYTES + 2 * 2**20
    body = bytes(size) if announced else chunks(size)
    assert_refused(post(service, data=body, headers={"Content-Type": "audio/wav"}), 413, "large")


def test_survives_a_connection_that_is_cut(service: str, clip: Path, home: Home) -> None:
    address = urlsplit(service)
    with socket.create_connection((address.hostname, address.port)) as half:
        half.sendall(
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: audio/wav\r\nContent-Length: 99\r\n\r\nRIFF"
        )
    assert post(service, files={"audio": clip.read_bytes()}).status_code == 200
    assert "Traceback" not in (home.folder / "service.log").read_text()


def test_leaves_no_file(service: str, clip: Path, home: Home) -> None:
    before = {path for path in home.folder.rglob("*") if path.is_file()}
    spooled = clip.read_bytes() + bytes(3 * 2**20)  # more than the form's parser holds in memory
    assert post(service, files={"audio": spooled}).status_code == 200
    assert_refused(post(service, files={"audio": bytes(3 * 2**20)}), 415, "unreadable")
    assert {path for path in home.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/nothing", 404, "address"), ("/predict", 405, "method")]
)
def test_says_where_there_is_nothing(service: str, path: str, status: int, code: str) -> None:
    assert_refused(requests.get(service + path, timeout=60), status, code)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_tells_its_health(service: str, path: str) -> None:
    assert requests.get(service + path, timeout=60).status_code == 200


def metric(service: str, sample: str) -> float:
    lines = requests.get(f"{service}/metrics", timeout=60).text.splitlines()
    return sum(float(line.removeprefix(sample)) for line in lines if line.startswith(f"{sample} "))


def test_counts(service: str, clip: Path) -> None:
    answer = post(service, files={"audio": clip.read_bytes()}).json()
    names = [
        'emotion_detector_requests_total{route="/predict",status="200"}',
        'emotion_detector_requests_total{route="/predict",status="415"}',
        'emotion_detector_errors_total{code="unreadable"}',
        f'emotion_detector_answers_total{{emotion="{answer["emotion"]}"}}',
        "emotion_detector_confidence_count",
        'emotion_detector_request_seconds_count{route="/predict"}',
    ]
    before = [metric(service, name) for name in names]
    post(service, files={"audio": clip.read_bytes()})
    post(service, files={"audio": b"words" * 99})
    requests.get(f"{service}/made-up-by-a-client", timeout=60)
    counts = [metric(service, name) - earlier for name, earlier in zip(names, before, strict=True)]
    assert counts == [1, 1, 1, 1, 1, 2]
    assert metric(service, 'emotion_detector_model_info{name="emotion-detector-six",version="1"}') == 1
    assert metric(service, 'emotion_detector_followed_reachable{followed="bundle"}') == 1
    assert "made-up" not in requests.get(f"{service}/metrics", timeout=60).text


def logged(home: Home, request_id: str) -> dict[str, Any]:
    lines = (home.folder / "service.log").read_text().splitlines()
    (line,) = [line for line in lines if request_id in line]
    told: dict[str, Any] = json.loads(line)
    return told


def test_logs_one_line_a_request_and_nothing_that_clients_send(service: str, clip: Path, home: Home) -> None:
    headers = {"X-Request-ID": "a-harmless.id_1"}
    data = clip.read_bytes()
    reply = post(service, files={"audio": ("whose-voice-is-it.wav", data, "audio/forged")}, headers=headers)
    assert reply.headers["X-Request-ID"] == "a-harmless.id_1"
    line = logged(home, "a-harmless.id_1")
    assert line.pop("milliseconds") > 0
    assert line.pop("bytes") > len(data)
    assert line.pop("time").startswith("20")
    assert line == {
        "event": "request",
        "id": "a-harmless.id_1",
        "method": "POST",
        "route": "/predict",
        "status": 200,
        "version": "1",
    }
    harmful = post(service, data=b"words" * 99, headers={"X-Request-ID": "{forged: line}"})
    assert harmful.headers["X-Request-ID"].isalnum()
    assert logged(home, harmful.headers["X-Request-ID"])["code"] == "unreadable"
    requests.request("FORGED", f"{service}/forged-path?forged=1", timeout=60)
    log = (home.folder / "service.log").read_text()
    for word in ("whose-voice", "forged", "form-data"):
        assert word not in log


def test_answers_about_several_in_order(service: str, clip: Path) -> None:
    files = [
        ("audio", ("a.wav", clip.read_bytes())),
        ("audio", ("b.wav", b"these are words" * 99)),
        ("audio", (None, "text")),
        ("audio", ("../d.wav", clip.read_bytes())),
    ]
    reply = requests.post(f"{service}/predict/batch", files=files, timeout=60)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    alone = post(service, files=[files[0]]).json()
    assert told["answers"][0] == alone
    assert told["answers"][3] == {**alone, "file": "d.wav"}
    assert [answer["file"] for answer in told["answers"][1:3]] == ["b.wav", None]
    assert [answer["error"]["code"] for answer in told["answers"][1:3]] == ["unreadable", "field"]
    assert told["model"] == alone["model"]


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"files": [("audio", b"words")] * 65}, 400, "form"),
        ({"files": [("sound", b"words")]}, 400, "field"),
        ({"data": b"RIFF", "headers": {"Content-Type": "audio/wav"}}, 415, "media"),
    ],
    ids=["65 files", "no file", "a bare body"],
)
def test_refuses_a_batch(service: str, request_: dict[str, Any], status: int, code: str) -> None:
    assert_refused(requests.post(f"{service}/predict/batch", timeout=60, **request_), status, code)


def test_takes_64_files(service: str) -> None:
    reply = requests.post(f"{service}/predict/batch", files=[("audio", b"words")] * 64, timeout=60)
    assert [answer["error"]["code"] for answer in reply.json()["answers"]] == ["unreadable"] * 64


def test_adds_what_is_asked_for(service: str, clip: Path) -> None:
    def ask(query: str) -> requests.Response:
        return requests.post(f"{service}/predict?{query}", files={"audio": clip.read_bytes()}, timeout=60)

    plain, timed, drawn = ask("timeline=0").json(), ask("timeline=1").json(), ask("picture=1").json()
    (window,) = timed.pop("timeline")
    assert timed == plain
    assert (window["start"], window["end"]) == (0, 3)
    assert window["probabilities"] == pytest.approx(plain["probabilities"], abs=1e-6)
    shown = drawn.pop("picture")
    assert drawn == plain
    assert shown["seconds"] == 3
    levels = base64.b64decode(shown["spectrogram"]["levels"])
    assert len(levels) == shown["spectrogram"]["bands"] * shown["spectrogram"]["columns"]
    assert_refused(ask("timeline=yes"), 400, "query")


def test_tells_which_model_serves(service: str) -> None:
    told = requests.get(f"{service}/model", timeout=60).json()
    assert {key: told[key] for key in ("name", "version", "trained_on", "note")} == {
        "name": NAME,
        "version": "1",
        "trained_on": "sample",
        "note": DEMONSTRATION,
    }
    assert told["classes"] == list(EMOTIONS)
    assert Node.read(told["tree"]).classes == EMOTIONS
    assert (told["commit"], told["data"]) == (FACTS["commit"], FACTS["splits"])
    assert told["metrics"] == {"test.uar": 0.61, "test.uar_low": 0.55, "validation.uar": 0.65}
    assert "licence" not in told


def test_shows_its_card_to_people_and_programs(service: str) -> None:
    as_text = requests.get(f"{service}/model/card", timeout=60)
    assert as_text.text == CARD
    assert as_text.headers["Content-Type"].startswith("text/markdown")
    browsers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    as_page = requests.get(f"{service}/model/card", headers=browsers, timeout=60)
    assert as_page.headers["Content-Type"].startswith("text/html")
    assert "<h2>Uses</h2>" in as_page.text


def test_shows_html_in_a_card_and_does_not_obey_it() -> None:
    shown = rendered("<script>alert(1)</script>\n\n| a |\n|:--|\n| [x](javascript:alert) |\n")
    assert "<script" not in shown
    assert "href" not in shown
    assert "style" not in shown
    assert "<td>" in shown


def test_lets_no_other_site_read_its_answers(service: str) -> None:
    reply = requests.get(f"{service}/model", headers={"Origin": "https://elsewhere.example"}, timeout=60)
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]


def test_guards_its_page(service: str) -> None:
    reply = requests.get(service, timeout=60)
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "http" not in reply.text  # no outside host


def test_says_what_to_do_without_a_bundle(home: Home, tmp_path: Path) -> None:
    lost = Home(tmp_path)
    done = lost.run("bentoml", "serve", "serving.service:EmotionDetector", "-p", "0")
    assert done.returncode != 0
    assert "make repro" in done.stderr
    assert "Traceback" not in done.stderr
