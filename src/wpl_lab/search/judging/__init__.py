"""What the searches found, held against the truth and against random search."""
