"""Ways to back-propagate vectors through a model for each sample."""
