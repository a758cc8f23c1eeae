"""Numbers, lists and texts as people read them: sizes, counts, durations, enumerations, excerpts."""

from collections.abc import Iterable

_DECIMAL = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
_BINARY = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def byte_size(size: int) -> str:
    """A number of bytes in powers of ten, as disks and downloads are counted: ``1.28 GB``, ``5.4 MB``."""
    for unit, factor in _DECIMAL:
        if size >= factor:
            digits = 2 if factor >= 10**9 and size < 10 * factor else 1
            return f"{size / factor:.{digits}f} {unit}"
    return counted(size, "byte")


def binary_size(size: int) -> str:
    """A number of bytes in powers of two, as memory and limits are counted: ``15.5 GiB``, ``64 MiB``."""
    for unit, factor in _BINARY:
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    return counted(size, "byte")


def part_of_size(part: int, size: int) -> str:
    """A part of a number of bytes, in the unit of the whole: ``3.4/6.8 MB``."""
    number, unit = byte_size(size).split(" ")
    factor = next((factor for name, factor in _DECIMAL if name == unit), 1)
    digits = len(number.partition(".")[2])
    return f"{part / factor:.{digits}f}/{number} {unit}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun: ``1 answer``, ``12,345 answers``.

    Args:
        plural: the plural of the noun. None: the noun with an s.
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """A duration in its two largest units: ``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def listed(items: Iterable[str], last: str = "and", *, most: int | None = None) -> str:
    """Items as a sentence lists them: ``a, b and c``.

    Args:
        last: the word before the last item.
        most: lists only so many items and counts the others: ``a, b and 4 more``. None: lists all.
    """
    shown = [*items]
    if most is not None and len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most:,} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def excerpt(text: str, length: int = 60) -> str:
    """The beginning of a text on one line, cut at a word where one ends in its second half.

    Args:
        length: characters at most, the ellipsis included.
    """
    line = " ".join(text[: 8 * length].split())
    if len(line) <= length and len(text) <= 8 * length:
        return line
    beginning = line[: length - 1]
    end = len(beginning) if line[len(beginning) :].startswith(" ") else beginning.rfind(" ")
    return (beginning[:end] if end >= length // 2 else beginning).rstrip() + "…"
