"""From the kernel to `CgroupEvent`s: the probe, its ring buffer and its counters."""
