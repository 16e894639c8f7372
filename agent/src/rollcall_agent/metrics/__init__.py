"""What the agent tells Prometheus: the books, latencies, queues, and how its runtimes answer."""
