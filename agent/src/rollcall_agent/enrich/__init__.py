"""Enrichment: asks container runtimes whose a candidate is and from which image."""
