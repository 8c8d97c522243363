"""Weight plasticity loss for models that share weights.

The public names are listed in ``__init__.pyi``; each module is imported when one of its names is
first used, so that a program loads no more of the library than it needs.
"""

import lazy_loader as _lazy

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
