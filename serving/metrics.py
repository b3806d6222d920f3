"""What is counted, for Prometheus: over all workers, each label from a closed list of words."""

import os
from pathlib import Path

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where the workers write side by side; BentoML sets it

REQUESTS = Counter("emotion_detector_requests", "Requests answered", ["route", "status"])
LATENCY = Histogram(
    "emotion_detector_request_seconds",
    "Seconds from a request's first byte to the end of its answer",
    ["route"],
    buckets=(0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 180),
)
ERRORS = Counter("emotion_detector_errors", "Errors by their code", ["code"])
ANSWERS = Counter("emotion_detector_answers", "Sounds answered about, by emotion", ["emotion"])
UNSURE = Counter("emotion_detector_unsure_answers", "Answers that said that they were unsure")
CONFIDENCE = Histogram(
    "emotion_detector_confidence",
    "Probability of the emotion that was answered",
    buckets=[tenth / 10 for tenth in range(1, 11)],
)
WARNINGS = Counter("emotion_detector_warnings", "Warnings about sounds, by their code", ["code"])
MODEL = Gauge(
    "emotion_detector_model_info",
    "Workers that serve this version",
    ["name", "version"],
    multiprocess_mode="livesum",
)
FOLLOWED = Gauge(
    "emotion_detector_followed_reachable",
    "Whether what names the champion could be read when last looked at: the bundle or the registry",
    ["followed"],
    multiprocess_mode="livemin",
)
TAKEOVERS = Counter("emotion_detector_takeovers", "New champions that were taken over or refused", ["result"])


def exposition() -> tuple[bytes, str]:
    """Return all metrics and the media type of their notation."""
    if SHARED not in os.environ:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    for file in Path(os.environ[SHARED]).glob("gauge_live*.db"):
        if not _alive(pid := int(file.stem.rpartition("_")[2])):
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together), CONTENT_TYPE_LATEST


def _alive(pid: int) -> bool:
    """Tell whether a worker runs: one that was killed could not say that its gauges hold no more."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
