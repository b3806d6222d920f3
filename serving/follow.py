"""A newly promoted champion is taken over while the service runs, by a thread that looks for it."""

import threading
from collections.abc import Callable

from serving import metrics
from serving.champion import Champion, Found, bundled
from serving.log import log
from serving.settings import Settings

AGAIN = 300.0  # seconds before a version that was refused is tried again


class Follower:
    """Looks again and again who is champion, and lets it serve where it is another one.

    Parameters
    ----------
    champion : Champion
    followed : str
        What is looked at, for people: ``bundle`` or ``registry``.
    look : callable
        Says who is champion; fails in any way where that cannot be read.
    every : float
        Seconds between two looks.
    """

    def __init__(
        self, champion: Champion, followed: str, look: Callable[[], Found | None], every: float
    ) -> None:
        self.champion, self.followed, self.look, self.every = champion, followed, look, every
        self.refused: tuple[str, str, str] | None = None
        self.refused_for = 0.0  # seconds
        self.reachable = True
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self.thread.start()

    def stop(self) -> None:
        """End, at the latest when the look under way is over."""
        self.stopped.set()

    def _run(self) -> None:
        while not self.stopped.wait(self.every):
            self.once()

    def once(self) -> None:
        """Look once. Whatever goes wrong, the version that serves goes on, and log and metrics say so."""
        try:
            found = self.look()
        except Exception as error:  # files, networks and databases fail in many ways; the answer is the same
            self._reached(False, error)
            return
        self._reached(True, None)
        if found is None or found.key == self.champion.key:
            return
        if found.key == self.refused and self.refused_for < AGAIN:
            self.refused_for += self.every
            return
        told = {"name": found.key[0], "version": found.key[1]}
        try:
            self.champion.take(found)
        except Exception as error:
            self.refused, self.refused_for = found.key, 0.0
            metrics.TAKEOVERS.labels("refused").inc()
            log("champion refused", **told, reason=str(error).strip().partition("\n")[0])
        else:
            self.refused = None
            metrics.TAKEOVERS.labels("taken").inc()
            log("champion taken over", **told)

    def _reached(self, reachable: bool, error: Exception | None) -> None:
        metrics.FOLLOWED.labels(self.followed).set(reachable)
        if reachable != self.reachable:
            reason = {} if error is None else {"reason": str(error).strip().partition("\n")[0]}
            log(f"{self.followed} {'reachable again' if reachable else 'unreachable'}", **reason)
        self.reachable = reachable


def follower(champion: Champion, settings: Settings) -> Follower | None:
    """Return who follows what the settings say; None where a version is pinned or nothing is followed."""
    if settings.model or settings.follow == "nothing":
        return None
    if settings.follow == "bundle":
        return Follower(champion, "bundle", bundled, settings.follow_every)

    def look() -> Found | None:
        from serving import registry  # noqa: PLC0415  # MLflow takes seconds and memory: here alone

        return registry.champion(champion.serving.facts["name"])

    return Follower(champion, "registry", look, settings.follow_every)
