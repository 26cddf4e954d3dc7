"""Keeps samples beside an answer that stands, whatever becomes of the log."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from adaptive_reasoner.integrations.langgraph_runtime import write_stream_event
from adaptive_reasoner.integrations.sample_log import SampleLog


class SampleKeeper:
    """Writes samples to a log; one that fails is a warning and an event, and the answer stands.

    Args:
        log: Where the samples go.
        name: Of the node or middleware, for messages.
        logger: Is told of failures.

    Attributes:
        failed: Whether the log has failed.
    """

    def __init__(self, log: SampleLog, name: str, logger: logging.Logger) -> None:
        self.log, self.name, self.failed = log, name, False
        self._logger = logger

    def keep(
        self,
        question: str,
        decision: Mapping[str, Any],
        samples: Sequence[dict[str, Any]],
        features: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the samples of a question down, also of one that came to nothing."""
        if not samples:
            return
        try:
            self.log.write(question, decision, list(samples), features)
        except Exception as error:  # noqa: BLE001 - a disk, or a user's `redact`; the answer is paid for and stands
            self._tell(error, len(samples))

    def _tell(self, error: Exception, samples: int) -> None:
        why = f"{type(error).__name__}: {error}"
        warning = f"{self.name}: {samples} samples were not logged: {why}"
        self._logger.warning(warning)
        write_stream_event({"node": self.name, "event": "log_failed", "samples": samples, "error": why})
        if not self.failed:
            self.failed = True
            with suppress(UserWarning):  # where warnings are made errors, the answer stands all the same
                warnings.warn(warning, stacklevel=2)
