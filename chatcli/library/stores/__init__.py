"""Models that lie on this disk, whoever put them there; nothing is copied, and no header is read here.

Other programs' folders may hold anything: what cannot be read or makes no sense is passed over.
"""

from chatcli.library.stores.local_model import LocalModel, Store
from chatcli.library.stores.places import Places
from chatcli.library.stores.scan import local_models

__all__ = ["LocalModel", "Places", "Store", "local_models"]
