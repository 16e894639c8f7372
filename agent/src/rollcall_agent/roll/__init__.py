"""The roll of one node: ties the collector, the journal, the enricher and the sink together."""
