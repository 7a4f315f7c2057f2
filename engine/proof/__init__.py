"""Proves that nothing was lost: digests, comparisons, and what explains a difference; nothing here writes to a cluster."""
