"""Two models in sequence that share their first layers (figures 1 and 3 of the paper)."""
