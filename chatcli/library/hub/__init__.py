"""Models on the hub: what a repository holds, fetching it, and the cache shared with other programs."""

from chatcli.library.hub.cache import cached_file

__all__ = ["cached_file"]
