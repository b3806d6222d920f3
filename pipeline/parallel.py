"""Work on many clips: over all cores, in order, with a progress bar."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(work: Callable[[Item], Result], items: Sequence[Item], jobs: int, what: str) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in the items' order.

    Parameters
    ----------
    work : callable
        Picklable; its results come back one after another, so that none pile up in memory.
    items : sequence
    jobs : int
        Processes; -1 for one per core.
    what : str
        What the progress bar says.
    """
    results = Parallel(n_jobs=jobs, return_as="generator")(delayed(work)(item) for item in items)
    pause = 1.0 if sys.stderr.isatty() else 15.0  # seconds; in a log every look at the bar stays
    yield from tqdm(results, total=len(items), desc=what, unit="clip", mininterval=pause)
