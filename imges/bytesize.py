"""How a number of bytes is written for people: 1024-based, one decimal at most."""

UNITS = ("B", "KB", "MB", "GB", "TB")


def scaled(size: int) -> tuple[float, str]:
    """Returns *size* bytes as a number below 1024 and its unit. Beyond terabytes the number grows.

    The unit is chosen after rounding to one decimal: 1048575 bytes are 1 MB, not 1024 KB.
    """
    value, exponent = float(size), 0
    while round(value, 1) >= 1024 and exponent < len(UNITS) - 1:
        value, exponent = value / 1024, exponent + 1
    return value, UNITS[exponent]


def size_formatted(size: int) -> str:
    """Returns *size* bytes as the seed's API writes them: `52 KB`, `17.4 KB`, `512 B`."""
    value, unit = scaled(size)
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"
