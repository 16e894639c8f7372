"""The process's own log: lines on standard error, the level by ROLLCALL_LOG."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def log_to_standard_error() -> None:
    """Log warnings and worse, or what the environment's ROLLCALL_LOG (debug, info, …) asks for."""
    level = logging.getLevelNamesMapping().get(os.environ.get("ROLLCALL_LOG", "warning").upper(), logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
