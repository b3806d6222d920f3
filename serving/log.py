"""What the service says of itself: one line of JSON on standard output for each event and each request."""

import json
import sys
from datetime import UTC, datetime
from typing import Any


def log(event: str, **facts: Any) -> None:
    """Write one line. Nothing that a client may choose freely belongs into it."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    sys.stdout.write(json.dumps({"time": time, "event": event, **facts}, ensure_ascii=False) + "\n")
    sys.stdout.flush()
