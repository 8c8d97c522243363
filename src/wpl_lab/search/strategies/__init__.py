"""How a search chooses architectures: ENAS, uniform sampling, NAO."""
