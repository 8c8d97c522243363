"""Diagonal Fisher information: ``estimate`` has the public functions.

The names are loaded lazily; modules of this project import them from their own module.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
