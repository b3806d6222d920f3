"""The real service, started once; and a real browser."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import soundfile as sf
from champion import Home, bundled, tone
from playwright.sync_api import Browser, expect, sync_playwright
from visits import SPOKEN, Visit

from pipeline.audio import RATE

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP elsewhere.test 127.0.0.1",  # a page that is not from this computer
    "--use-fake-device-for-media-stream",
]
expect.set_options(timeout=60_000)  # milliseconds: the machine may be busy


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return bundled(tmp_path_factory.getbasetemp())


@contextmanager
def served(target: str, cwd: Path, environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (cwd / "service.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "-p", str(port)],
            cwd=cwd,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _await(address, process, cwd / "service.log")
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{address}/readyz", timeout=60).ok:
                return
        except requests.RequestException:  # not there yet, or slow on a busy machine
            time.sleep(0.1)
    pytest.fail(f"the service did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def serve() -> Callable[..., object]:
    return served


@pytest.fixture(scope="session")
def service(home: Home) -> Iterator[str]:
    with served("serving.service:EmotionDetector", home.folder, home.environment) as address:
        yield address


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    sf.write(path, tone(400, seed=7, seconds=3), RATE)
    return path


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "no chromium here: the page is NOT tested; `apt-get install chromium` brings it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    spoken = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    rate = 48_000  # Hz, as of most microphones
    hum = 0.5 * np.sin(2 * np.pi * SPOKEN * np.arange(10 * rate) / rate)  # whole periods: it is repeated
    sf.write(spoken, hum, rate, subtype="PCM_16")
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={spoken}"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, service: str) -> Iterator[Callable[..., Visit]]:
    """Open the page in a context of its own, 1280 pixels wide unless told otherwise."""
    contexts = []

    def opened(address: str = service, width: int = 1280, **options: Any) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        made = Visit(context.new_page())
        made.page.goto(address)
        return made

    yield opened
    for context in contexts:
        context.close()
