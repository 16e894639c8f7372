"""Measures rollcall on this machine, on the real kernel and a real containerd, and writes docs/benchmarks.md."""
