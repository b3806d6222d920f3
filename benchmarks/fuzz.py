"""Damaged files of every format sent to the real service: nothing but answers and refusals may come back.

    python -m benchmarks.fuzz [count=10000] [seed=9] [address=http://…] [--json FILE]

Without an address the service is started here, with the model that `make serve` would serve. Prints how
each format was answered, what memory the service's processes held, and the slowest answer. Exits with 1
where an answer was a 5xx or missing, a process was started anew, or memory grew by more than a tenth after
the first tenth of the files.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import requests
from tqdm import tqdm

from benchmarks import choices
from benchmarks.formats import every
from benchmarks.mutations import mutated
from benchmarks.service import Watch, started
from benchmarks.stages import machine
from pipeline import tracking
from pipeline.audio import RATE, Samples

CLIENTS = 4
GROWTH = 1.1  # of what the processes hold after the first tenth
LOOKS = 100  # at the processes


@dataclass(frozen=True)
class Reply:
    """How the service took one file.

    Attributes
    ----------
    format : str
        Of the file before it was damaged.
    number : int
        With the seed, what makes the file again (`benchmarks.mutations.mutated`).
    status : int
        HTTP status; 0 where none came.
    code : str
        Of the error; empty where the file was answered.
    seconds : float
        Until the whole reply was there.
    """

    format: str
    number: int
    status: int
    code: str
    seconds: float


def voice() -> Samples:
    """Return two seconds of a hum with breath and syllables, mono, 16 kHz."""
    time = np.arange(2 * RATE) / RATE
    hum = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 20))
    breath = 0.1 * np.random.default_rng(0).standard_normal(len(time))
    return np.asarray(0.2 * (hum + breath) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)), dtype=np.float32)


def send(address: str, name: str, number: int, data: bytes) -> Reply:
    """Ask the service about one file."""
    begun = time.perf_counter()
    try:
        reply = requests.post(f"{address}/predict", files={"audio": ("clip.wav", data)}, timeout=300)
        status, body = reply.status_code, reply.json()
    except requests.RequestException:  # JSON that cannot be read is one too
        status, body = 0, {}
    code = body.get("error", {}).get("code", "") if isinstance(body, dict) else ""
    return Reply(name, number, status, code, time.perf_counter() - begun)


def replies(address: str, files: dict[str, bytes], seed: int, numbers: Sequence[int]) -> Iterator[Reply]:
    """Send mutations of files, several at a time."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        yield from pool.map(lambda number: send(address, *_made(files, seed, number)), numbers)


def _made(files: dict[str, bytes], seed: int, number: int) -> tuple[str, int, bytes]:
    name, data = mutated(files, seed, number)
    return name, number, data


def faults(table: pd.DataFrame, memory: dict[str, float], restarts: int) -> list[str]:
    """Say what must not be.

    Parameters
    ----------
    table : DataFrame
        A row a `Reply`.
    memory : dict of str to float
        MB at the ``start``, after the first ``tenth`` and at the ``end``.
    restarts : int
        Processes of the service that were started anew.
    """
    bad = table[(table.status == 0) | (table.status >= 500)]
    found = [f"number {row.number}, {row.format}: status {row.status}" for row in bad.itertuples()]
    if restarts:
        found.append(f"{restarts} processes were started anew")
    if memory["end"] > GROWTH * memory["tenth"]:
        found.append(
            f"memory grew from {memory['tenth']:.0f} MB after the first tenth to {memory['end']:.0f}"
        )
    return found


def fuzz(address: str, count: int, seed: int) -> dict[str, Any]:
    """Send so many files and return all that is told of it."""
    files, watch = every(voice()), Watch(address)
    for name, data in files.items():  # what is loaded at first use is no growth
        if (reply := send(address, name, -1, data)).status != 200:
            sys.exit(f"error: the service does not answer about {name}: {reply}")
    memory, got = {"start": watch.look()}, []
    for reply in tqdm(replies(address, files, seed, range(count)), total=count, unit="file"):
        got.append(reply)
        if len(got) % max(1, count // LOOKS) == 0:
            watch.look()
        if len(got) == max(1, count // 10):
            memory["tenth"] = watch.look()
    memory["end"] = watch.look()
    table = pd.DataFrame(map(asdict, got))
    return {
        "about": f"{count} files, seed {seed}; {machine()}; commit {tracking.commit()}",
        "statuses": pd.crosstab(table.format, table.status, margins=True, margins_name="all"),
        "codes": table.code[table.code != ""].value_counts().to_dict(),
        "memory": memory,
        "restarts": watch.restarts,
        "slowest": max(got, key=lambda reply: reply.seconds),
        "faults": faults(table, memory, watch.restarts),
    }


def page(told: dict[str, Any]) -> str:
    """Return what was found as Markdown."""
    slowest, memory = told["slowest"], told["memory"]
    codes = ", ".join(f"{code} {number}" for code, number in told["codes"].items())
    lines = [
        told["about"],
        told["statuses"].to_markdown(),
        f"Refused as: {codes}.",
        f"Memory of all processes: {memory['start']:.0f} MB at the start, {memory['tenth']:.0f} MB after a "
        f"tenth, {memory['end']:.0f} MB at the end. Started anew: {told['restarts']}.",
        f"Slowest: {slowest.seconds:.2f} s, number {slowest.number}, {slowest.format}, {slowest.status}.",
        *(f"- **{fault}**" for fault in told["faults"]),
    ]
    return "\n\n".join(lines)


def main() -> int:
    chosen, file = choices.read(__doc__, {"count": "10000", "seed": "9", "address": ""})
    service = nullcontext(chosen["address"].rstrip("/")) if chosen["address"] else started()
    with service as address:
        told = fuzz(address, int(chosen["count"]), int(chosen["seed"]))
    print(page(told))
    if file:
        plain = told | {"statuses": told["statuses"].to_dict("index"), "slowest": asdict(told["slowest"])}
        file.write_text(json.dumps(plain, indent=2) + "\n")
    return int(bool(told["faults"]))


if __name__ == "__main__":
    sys.exit(main())
