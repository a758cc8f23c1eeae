"""Models on this disk, of all programs. Nothing is copied, and no header is read here.

Other programs' folders may hold anything: what cannot be read or understood is skipped.
"""

from chatcli.library.stores.local_model import LocalModel, Store
from chatcli.library.stores.places import Places
from chatcli.library.stores.scan import local_models

__all__ = ["LocalModel", "Places", "Store", "local_models"]
