"""Architecture search with shared weights, and how it is judged (figure 4 of the paper)."""
