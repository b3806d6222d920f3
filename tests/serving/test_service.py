import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from champion import Home

from pipeline.audio import MAX_BYTES, decode
from pipeline.detector import DEMONSTRATION, Detector


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


def test_says_the_same_as_detect(service: str, clip: Path, home: Home) -> None:
    line = json.loads(home.run("pipeline.detect", "--taxonomy", "six", str(clip)).stdout)
    answer = post(service, files={"audio": clip.read_bytes()}).json()
    assert line.pop("file") == str(clip)
    assert answer.pop("file") == "audio"
    assert answer == line


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


def test_counts_requests(service: str, clip: Path) -> None:
    def count() -> float:
        lines = requests.get(f"{service}/metrics", timeout=60).text.splitlines()
        ours = [
            line for line in lines if "request_total" in line and '"/predict"' in line and '"200"' in line
        ]
        return sum(float(line.rsplit(" ", 1)[1]) for line in ours)

    before = count()
    post(service, files={"audio": clip.read_bytes()})
    assert count() == before + 1


def test_logs_neither_names_nor_kinds_that_clients_send(service: str, clip: Path, home: Home) -> None:
    post(service, files={"audio": ("whose-voice-is-it.wav", clip.read_bytes(), "audio/forged")})
    log = (home.folder / "service.log").read_text()
    assert "path=/predict" in log
    assert "whose-voice" not in log
    assert "forged" not in log
    assert "form-data" not in log


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
