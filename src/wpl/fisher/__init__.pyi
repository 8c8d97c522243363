from .estimate import GradientAndFisher, Kind, diagonal_fisher, gradient_and_fisher

__all__ = ["GradientAndFisher", "Kind", "diagonal_fisher", "gradient_and_fisher"]
