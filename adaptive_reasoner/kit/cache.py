"""Where the kit keeps what it can make again: exported encoders, vectors, locks."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where exported encoders and vectors are kept: `ADAPTIVE_REASONER_CACHE`, or the user's cache."""
    if chosen := os.environ.get("ADAPTIVE_REASONER_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adaptive_reasoner"
