"""rollcall: every container that starts answers by name."""

__version__ = "0.1.0"
