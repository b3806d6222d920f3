"""The image recipe, as far as it can be tried without Docker: what it copies and runs is there."""

import json
import re
import shlex
import subprocess
import sys
import tarfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from champion import bundled

from pipeline.stage import ROOT

RECIPE = (ROOT / "deploy" / "Dockerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", RECIPE, flags=re.MULTILINE))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines() if line.strip()]


def given(name: str) -> list[str]:
    return [rest for word, rest in instructions() if word == name]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, folder = bundled(tmp_path_factory.getbasetemp()), tmp_path_factory.mktemp("context")
    archive = folder / "detector.bento"
    done = home.run("bentoml", "export", "emotion-detector-six:1", str(archive))
    assert done.returncode == 0, done.stderr
    (folder / "bento").mkdir()
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "bento", filter="data")
    return folder / "bento"


def test_copies_what_an_exported_bento_has(context: Path) -> None:
    for sources in (shlex.split(rest)[:-1] for rest in given("COPY")):
        for source in sources:
            assert (context / source).exists(), source
    assert (context / "bento.yaml").is_file()
    assert next((context / "models").rglob("detector.skops"))


def test_installs_every_package_at_one_version(context: Path) -> None:
    lines = (context / "env" / "python" / "requirements.txt").read_text().split()
    names = [line.partition("==")[0].lower() for line in lines]
    assert all("==" in line for line in lines)
    assert {"bentoml", "av", "markdown-it-py", "prometheus-client", "pydantic-settings"} <= set(names)
    assert len(names) == len(set(names))


def test_can_have_the_python_that_the_bento_was_built_with(context: Path) -> None:
    version = (context / "env" / "python" / "version.txt").read_text()
    assert version.startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert given("ARG") == ["PYTHON=3.11"]
    assert given("FROM") == ["python:${PYTHON}-slim"]


def test_serves_as_somebody_who_owns_nothing() -> None:
    words = [word for word, _ in instructions()]
    (user,) = given("USER")
    assert user not in ("root", "0")
    assert any(f"useradd --uid 1000 --create-home {user}" in rest for rest in given("RUN"))
    assert words.index("USER") > max(i for i, word in enumerate(words) if word in ("COPY", "RUN"))
    assert not [rest for rest in given("COPY") if "--chown" in rest]
    assert json.loads(given("CMD")[0])[:3] == ["bentoml", "serve", "."]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_tells_whether_it_is_healthy(status: int, healthy: bool) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    (check,) = given("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        asked = [part.replace(":3000", f":{server.server_port}") for part in command[1:]]
        done = subprocess.run([sys.executable, *asked], capture_output=True, check=False)
        server.shutdown()
    assert (done.returncode == 0) is healthy
