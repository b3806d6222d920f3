"""How fast the service answers, beside the textbook service (`benchmarks.textbook`) in the same run.

    python -m benchmarks.answers [requests=200] [clients=32] [seconds=20] [workers=2] [--json FILE]

Both services run at the same time and are asked in turns: one client first, then many at once. The model is
the one that `make serve` would serve; the sounds are three seconds long.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pandas as pd
import requests
from tqdm import tqdm

from benchmarks import choices
from benchmarks.formats import encoded
from benchmarks.service import Watch, started
from benchmarks.stages import machine
from pipeline import tracking

TURN = 10  # requests
SOUNDS = {"16 kHz": 16_000, "48 kHz": 48_000}
TEXTBOOK = ("benchmarks.textbook",)


def clip(rate: int) -> bytes:
    """Return three seconds of a voice-like hum in a little noise, a WAV file of 16 bits."""
    time = np.arange(3 * rate) / rate
    hum = sum(np.sin(2 * np.pi * 150 * k * (time + 0.01 * np.sin(6 * time))) / k for k in range(1, 20))
    sound = 0.2 * hum * (0.6 + 0.4 * np.sin(8 * np.pi * time))
    sound = sound + np.random.default_rng(0).normal(0, 0.002, len(time))
    return encoded(sound.astype(np.float32), "WAV", "PCM_16", rate)


def ask(session: requests.Session, address: str, data: bytes) -> float:
    """Send one clip and return the milliseconds until its answer was there; nan where none came."""
    begun = time.perf_counter()
    try:
        answered = session.post(f"{address}/predict", files={"audio": data}, timeout=120).ok
    except requests.RequestException:
        answered = False
    return 1000 * (time.perf_counter() - begun) if answered else float("nan")


def alone(services: dict[str, str], count: int) -> pd.DataFrame:
    """Ask each service with one client, in turns; return the milliseconds of each answer."""
    session, told = requests.Session(), []
    cases = [
        (service, rate)
        for service in services
        for rate in SOUNDS
        if not (service == "textbook" and rate == "48 kHz")
    ]
    clips = {rate: clip(hertz) for rate, hertz in SOUNDS.items()}
    for turn in tqdm(range(-1, count // TURN), unit="turn", desc="one client"):
        for service, rate in cases:
            taken = [ask(session, services[service], clips[rate]) for _ in range(TURN)]
            told += [(service, rate, ms) for ms in taken if turn >= 0]  # the first turn warms up
    return pd.DataFrame(told, columns=["service", "sound", "ms"])


def together(address: str, clients: int, seconds: float) -> pd.Series:
    """Let many clients ask at once for some seconds; return the milliseconds of each answer."""
    data, until = clip(SOUNDS["16 kHz"]), time.monotonic() + seconds

    def client(_: int) -> list[float]:
        told = []
        with requests.Session() as session:
            while time.monotonic() < until:
                told.append(ask(session, address, data))
        return told

    with ThreadPoolExecutor(clients) as pool:
        return pd.Series([ms for some in pool.map(client, range(clients)) for ms in some])


def starts(workers: int) -> Iterator[float]:
    """Yield the seconds that the service takes to be ready, twice: the first fills the caches."""
    for _ in range(2):
        begun = time.perf_counter()
        with started(EMOTION_DETECTOR_WORKERS=str(workers)):
            yield time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    told, file = choices.read(__doc__, {"requests": "200", "clients": "32", "seconds": "20", "workers": "2"})
    chosen = {key: int(value) for key, value in told.items()}
    *_, ready = starts(chosen["workers"])
    with ExitStack() as stack:
        ours = stack.enter_context(started(EMOTION_DETECTOR_WORKERS=str(chosen["workers"])))
        services = {"ours": ours, "textbook": stack.enter_context(started(TEXTBOOK))}
        latency = alone(services, chosen["requests"])
        rounds: dict[str, list[pd.Series]] = {name: [] for name in services}
        for _ in range(2):
            for name, address in services.items():
                rounds[name].append(together(address, chosen["clients"], chosen["seconds"]))
        held = Watch(ours).largest
    loads = {name: pd.concat(found) for name, found in rounds.items()}
    table = latency.groupby(["service", "sound"]).ms.quantile([0.5, 0.99]).unstack().round(1)
    print(f"{chosen['requests']} requests of one client each; {machine()}; commit {tracking.commit()}\n")
    print(
        table.rename(columns={0.5: "median, ms", 0.99: "99th percentile, ms"})
        .reset_index()
        .to_markdown(index=False)
    )
    rates = {name: found.count() / (2 * chosen["seconds"]) for name, found in loads.items()}
    rows = [
        {
            "service": name,
            "answers a second": round(rates[name], 1),
            "failed": int(found.isna().sum()),
            "median, ms": round(found.median()),
            "99th percentile, ms": round(found.quantile(0.99)),
        }
        for name, found in loads.items()
    ]
    print(
        f"\n{chosen['clients']} clients at once, 16 kHz:\n\n{pd.DataFrame(rows).to_markdown(index=False)}\n"
    )
    medians = latency[latency["sound"] == "16 kHz"].groupby("service").ms.median()
    print(f"Ours answers {medians['textbook'] / medians['ours']:.1f} times as soon as the textbook service,")
    print(f"and {rates['ours'] / rates['textbook']:.1f} times as many at once.")
    print(f"It is ready {ready:.1f} s after its second start; its largest process holds {held:.0f} MB.")
    if file:
        facts = {"latency": table.reset_index().to_dict("records"), "load": rows, "ready": ready, "mb": held}
        file.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
