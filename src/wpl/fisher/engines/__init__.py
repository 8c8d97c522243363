"""Ways to send vectors back through a model, sample by sample."""
