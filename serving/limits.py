"""How much each client may ask: a bucket of tokens for each address, filled at a steady rate."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from serving.errors import RequestError

CLIENTS = 10_000  # addresses that are remembered; the one not seen for longest is forgotten


class Rate:
    """Sounds that one client may send.

    Parameters
    ----------
    a_minute : float or None
        In the long run; None: as many as it likes.
    burst : int
        At once, after a pause.
    clock : callable
        Seconds, never going back.
    """

    def __init__(
        self, a_minute: float | None, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.a_second = None if a_minute is None else a_minute / 60
        self.burst = burst
        self.clock = clock
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, when counted

    def take(self, address: str, sounds: int = 1, owed: bool = False) -> None:
        """Take tokens of a client; where `owed`, also those that it has not: it waits the longer next time.

        Raises
        ------
        RequestError
            Where there are not enough: 429 with the seconds to wait.
        """
        if self.a_second is None:
            return
        client, now = household(address), self.clock()
        tokens, counted = self.buckets.pop(client, (float(self.burst), now))
        tokens = min(self.burst, tokens + (now - counted) * self.a_second)
        enough = owed or tokens >= sounds
        self.buckets[client] = (tokens - sounds if enough else tokens, now)
        if len(self.buckets) > CLIENTS:
            self.buckets.popitem(last=False)
        if not enough:
            seconds = math.ceil((sounds - tokens) / self.a_second)
            raise RequestError(
                429,
                "rate",
                f"this client asks for more than {self.a_second * 60:g} sounds a minute",
                f"try again in {seconds} s",
                {"Retry-After": str(seconds)},
            )


def household(address: str) -> str:
    """Return the address, of IPv6 the network of a household: one client has all of it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
