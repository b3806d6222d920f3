"""The real service, started for a measurement, and what its processes hold."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests

from benchmarks.stages import memory
from pipeline.stage import ROOT

PATIENCE = 300.0  # seconds until it must be ready: a busy machine takes long
OURS = ("bentoml", "serve", "serving.service:EmotionDetector", "--host", "127.0.0.1", "--port")


@contextmanager
def started(module: Sequence[str] = OURS, **variables: str) -> Iterator[str]:
    """Start the service as `make serve` does, on a free port, and yield its address.

    Parameters
    ----------
    module : sequence of str
        What `python -m` is to run; the port comes last.
    **variables : str
        Of its environment.

    Raises
    ------
    SystemExit
        Where it does not start, with what it said.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module, str(port)],
            cwd=ROOT,
            env=os.environ | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            if not _ready(address, process):
                sys.exit(f"error: the service did not start:\n{Path(log.name).read_text()[-2000:]}")
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _ready(address: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{address}/readyz", timeout=60).ok:
                return True
        except requests.RequestException:
            time.sleep(0.2)
    return False


class Watch:
    """The processes of a service on this machine.

    Parameters
    ----------
    address : str
        Where it listens.
    """

    def __init__(self, address: str) -> None:
        port = urlsplit(address).port
        listening = {
            link.pid
            for link in psutil.net_connections("tcp")
            if link.status == psutil.CONN_LISTEN and link.laddr.port == port and link.pid
        }
        if not listening:
            sys.exit(f"error: no process of this user listens at {address}: name a service on this machine")
        self.root = psutil.Process(listening.pop())
        while (parent := self.root.parent()) and "bentoml" in " ".join(parent.cmdline()):
            self.root = parent  # which starts the workers, and may not listen itself
        self.first = self._now()
        self.seen = set(self.first)

    def _now(self) -> set[int]:
        return {process.pid for process in self.root.children(recursive=True)}

    def look(self) -> float:
        """Note which processes there are, and return the MB that all hold."""
        self.seen |= self._now()
        return memory(self.root) / 2**20

    @property
    def largest(self) -> float:
        """The MB that the largest process holds."""
        held = [process.memory_info().rss for process in self.root.children(recursive=True)]
        return max(held, default=0) / 2**20

    @property
    def restarts(self) -> int:
        """How many processes were started anew since the first look."""
        return len(self.seen - self.first)
