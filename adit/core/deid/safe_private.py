"""Private elements known to hold no identity (PS3.15 E.3.10, Table E.3.10-1)."""

from __future__ import annotations

from collections.abc import Sequence

from .codec import Element

SAFE_PRIVATE: frozenset[tuple[str, int, int]] = frozenset(
    {
        ("Philips PET Private Group", 0x7053, 0x00),  # SUV factor
        ("Philips PET Private Group", 0x7053, 0x09),  # activity concentration factor
        ("Philips Imaging DD 001", 0x2001, 0x03),  # diffusion b-factor
        ("Philips Imaging DD 001", 0x2001, 0x04),  # diffusion direction
        ("Philips MR Imaging DD 001", 0x2005, 0x0D),  # scale intercept
        ("Philips MR Imaging DD 001", 0x2005, 0x0E),  # scale slope
        ("SIEMENS MR HEADER", 0x0019, 0x0C),  # b value
        ("SIEMENS MR HEADER", 0x0019, 0x0D),  # diffusion directionality
        ("SIEMENS MR HEADER", 0x0019, 0x0E),  # diffusion gradient direction
        ("SIEMENS MR HEADER", 0x0019, 0x27),  # b matrix
        ("GEMS_PARM_01", 0x0043, 0x39),  # b value and its neighbours
        ("GEMS_ACQU_01", 0x0019, 0xBB),  # diffusion gradient direction, x
        ("GEMS_ACQU_01", 0x0019, 0xBC),  # y
        ("GEMS_ACQU_01", 0x0019, 0xBD),  # z
    }
)
"""Creator, group and lower byte of the element."""

_CREATORS_AND_BLOCKS = {(creator, group) for creator, group, _ in SAFE_PRIVATE}


def private_creators(elements: Sequence[Element], buffer: bytes) -> dict[int, bytes]:
    """Private creators of one level by `group << 16 | block` (PS3.5 7.8.1)."""
    return {
        element.tag: buffer[element.value : element.end].strip(b" \0")
        for element in elements
        if element.tag >> 16 & 1 and 0x10 <= element.tag & 0xFFFF <= 0xFF
    }


def is_safe(creators: dict[int, bytes], tag: int) -> bool:
    """Whether a private element, or the creator of a block with safe elements, may stay."""
    group, number = tag >> 16, tag & 0xFFFF
    if number <= 0xFF:
        creator = creators.get(tag, b"").decode("ascii", "replace")
        return (creator, group) in _CREATORS_AND_BLOCKS
    creator = creators.get(group << 16 | number >> 8, b"").decode("ascii", "replace")
    return (creator, group, number & 0xFF) in SAFE_PRIVATE
