"""Sizes as people read them."""

_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def amount(size: int) -> str:
    """Bytes in powers of ten, as disks are sold and the hub counts."""
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return "1 byte" if size == 1 else f"{size} bytes"
