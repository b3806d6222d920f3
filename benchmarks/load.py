"""Many clients at once, and a worker that is killed: every request is answered, or sent away in good order.

    python -m benchmarks.load [clients=64] [seconds=60] [address=http://…] [--json FILE]

Clips of every format, 1 to 8 seconds long; some with timeline and picture, some eight at a time. Without an
address the service is started here, with the model that `make serve` would serve. The load lasts twice the
seconds: what the processes hold is compared after the first and the second half. Then a worker is killed
under the same load. Exits with 1 where a reply was neither an answer nor a 429 with Retry-After, memory grew
by more than a tenth, more requests were lost with the worker than it can have had in its hands, or /readyz
spoke untruly.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import psutil
import requests

from benchmarks import choices
from benchmarks.formats import every
from benchmarks.service import Watch, started
from benchmarks.stages import machine
from pipeline import tracking
from pipeline.audio import RATE

GROWTH = 1.1
LENGTHS = (1, 3, 8)  # seconds
KINDS = {"one": 0.85, "timeline and picture": 0.1, "batch of 8": 0.05}  # what is asked for, how often
WORKER = "_bentoml_impl.worker.service"


@dataclass(frozen=True)
class Reply:
    """How one request ended; status 0: without a reply. Times in seconds, `ended` of the monotonic clock."""

    kind: str
    status: int
    seconds: float
    ended: float
    in_order: bool  # a 429 says when to come again


def clips() -> list[bytes]:
    """Return a hum in every format and length."""
    found: list[bytes] = []
    for long in LENGTHS:
        at = np.arange(long * RATE) / RATE
        hum = sum(np.sin(2 * np.pi * 150 * k * at) / k for k in range(1, 20))
        found += every((0.2 * hum * (0.6 + 0.4 * np.sin(8 * np.pi * at))).astype(np.float32)).values()
    return found


def ask(session: requests.Session, address: str, kind: str, some: list[bytes]) -> tuple[Reply, float]:
    """Send one request; return how it ended, and the seconds that the service asks to wait."""
    path = {"one": "", "timeline and picture": "?timeline=1&picture=1", "batch of 8": "/batch"}[kind]
    files = [("audio", data) for data in some]
    begun, wait = time.monotonic(), 0.0
    try:
        reply = session.post(f"{address}/predict{path}", files=files, timeout=300)
        status, in_order = reply.status_code, reply.status_code == 200
        if status == 429 and (after := reply.headers.get("Retry-After", "")).isdecimal():
            in_order, wait = True, float(after)
    except requests.RequestException:
        status, in_order = 0, False
    ended = time.monotonic()
    return Reply(kind, status, ended - begun, ended, in_order), wait


@contextmanager
def clients(number: int, address: str, data: list[bytes]) -> Iterator[list[Reply]]:
    """Let clients ask, each one request after the other, until the block ends; all replies are waited for."""
    replies: list[Reply] = []
    over = threading.Event()

    def run(seed: int) -> None:
        chance = random.Random(seed)
        with requests.Session() as session:
            while not over.is_set():
                (kind,) = chance.choices(list(KINDS), list(KINDS.values()))
                reply, wait = ask(session, address, kind, chance.choices(data, k=8 if "batch" in kind else 1))
                replies.append(reply)
                over.wait(wait)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield replies
    finally:
        over.set()
        for thread in threads:
            thread.join()


def ready(address: str, patience: float) -> bool:
    """Return whether the service says within `patience` seconds that it is ready."""
    try:
        return bool(requests.get(f"{address}/readyz", timeout=patience).ok)
    except requests.RequestException:
        return False


def kill(address: str, watch: Watch, data: list[bytes], patience: float = 300) -> dict[str, Any]:
    """Kill a worker; say how long it took to be replaced, and whether /readyz was true meanwhile."""
    workers = [child for child in watch.root.children(recursive=True) if WORKER in " ".join(child.cmdline())]
    killed, begun = workers[0], time.monotonic()
    os.kill(killed.pid, signal.SIGKILL)
    truthful = True

    def replaced() -> bool:
        running = [child for child in watch.root.children(recursive=True) if child.pid != killed.pid]
        return len([child for child in running if child.status() != psutil.STATUS_ZOMBIE]) >= len(workers)

    while not (replaced() and ready(address, 1)):
        if time.monotonic() - begun > patience:
            return {"replaced": False, "seconds": patience, "truthful": truthful}
    seconds = time.monotonic() - begun
    with requests.Session() as session:  # who says that it is ready answers
        truthful = ask(session, address, "one", data[:1])[0].status in (200, 429)
    return {"replaced": True, "seconds": seconds, "truthful": truthful}


def summary(replies: list[Reply], seconds: float) -> pd.DataFrame:
    """Return a row for each kind of request."""
    told = pd.DataFrame([vars(reply) for reply in replies])
    rows = []
    for kind, group in told.groupby("kind"):
        answered = group[group.status == 200].seconds
        rows.append(
            {
                "request": kind,
                "answered": len(answered),
                "sent away (429)": int((group.status == 429).sum()),
                "anything else": int((~group.in_order).sum()),
                "answers a second": len(answered) / seconds,
                "median s": answered.median(),
                "99th percentile s": answered.quantile(0.99),
            }
        )
    return pd.DataFrame(rows)


def faults(
    halves: list[Reply], memory: tuple[float, float], lost: int, number: int, killed: dict[str, Any]
) -> list[str]:
    """Say in words what does not hold."""
    checks: list[tuple[bool, str]] = [
        (all(reply.in_order for reply in halves), "a reply was neither an answer nor a 429 with Retry-After"),
        (memory[1] <= GROWTH * memory[0], f"memory grew from {memory[0]:.0f} to {memory[1]:.0f} MB"),
        (killed["replaced"], "the killed worker was not replaced"),
        (killed["truthful"], "/readyz said ready and there was no answer"),
        (lost <= number, f"{lost} requests were lost with the worker, {number} clients had one each"),
    ]
    return [words for holds, words in checks if not holds]


def main() -> int:
    """Measure, print, and return the exit status."""
    chosen, file = choices.read(__doc__, {"clients": "64", "seconds": "60", "address": ""})
    number, seconds = int(chosen["clients"]), float(chosen["seconds"])
    data = clips()
    with nullcontext(chosen["address"].rstrip("/")) if chosen["address"] else started() as address:
        watch = Watch(address)
        with clients(number, address, data) as replies:
            time.sleep(seconds)
            first = watch.look()
            time.sleep(seconds)
            last = watch.look()
        halves = list(replies)
        with clients(number, address, data) as replies:
            time.sleep(min(10.0, seconds / 2))
            killed = kill(address, watch, data)
            time.sleep(min(10.0, seconds / 2))
        others = [reply for reply in replies if not reply.in_order]
        lost = sum(reply.status == 0 for reply in others)
    table = summary(halves, 2 * seconds)
    found = faults(halves, (first, last), lost, number, killed)
    if len(others) > lost:
        found.append("after the kill a reply was neither an answer nor a 429 with Retry-After")
    facts = {
        "clients": number,
        "seconds": 2 * seconds,
        "memory_mb": [first, last],
        "killed": killed | {"lost": lost},
    }
    print(f"{machine()}, commit {tracking.commit()[:12]}; {number} clients for {2 * seconds:.0f} s\n")
    print(table.round(2).to_markdown(index=False))
    print(f"\nMemory of all processes: {first:.0f} MB after the first half, {last:.0f} MB at the end.")
    print(f"A worker killed: replaced after {killed['seconds']:.1f} s, {lost} requests lost.")
    for words in found:
        print(f"error: {words}", file=sys.stderr)
    if file:
        head = {"machine": machine(), "commit": tracking.commit(), **facts, "faults": found}
        file.write_text(json.dumps(head | {"requests": table.round(3).to_dict("records")}, indent=2))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
