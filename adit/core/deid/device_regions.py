"""Regions of images in which devices burn in text about the patient (PS3.15 E.3.1).

No list of devices ships: where a device writes depends on its software and on how the hospital set
it up, and a region that is right elsewhere and wrong here would let a name pass as cleaned. What an
ultrasound image itself tells of its regions is used (`ultrasound_regions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

from .json_fields import number_field, text_field

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, half open: x1 and y1 are not part of it."""

_LARGEST_SIDE = 0xFFFF


@dataclass(frozen=True, kw_only=True)
class DeviceRegion:
    """Boxes that are blanked in every frame of a device's images.

    Attributes:
        manufacturer: Pattern over Manufacturer; `*` stands for anything, case does not count.
        model: The same over ManufacturerModelName.
        rows: Height of the images that are meant, in pixels.
        columns: Width of the images that are meant, in pixels.
        boxes: What is blanked, inside of the image.
        modality: Modality that is meant; empty for all.

    Raises:
        ValueError: One sentence that names the bad field.
    """

    manufacturer: str
    model: str
    rows: int
    columns: int
    boxes: tuple[Box, ...]
    modality: str = ""

    def __post_init__(self) -> None:
        for name in ("manufacturer", "model"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name}: a pattern is needed, * for any.")
        for name in ("rows", "columns"):
            if not 1 <= getattr(self, name) <= _LARGEST_SIDE:
                raise ValueError(f"{name}: between 1 and {_LARGEST_SIDE}.")
        if not self.boxes:
            raise ValueError("boxes: at least one box is needed.")
        for x0, y0, x1, y1 in self.boxes:
            if not (0 <= x0 < x1 and 0 <= y0 < y1):
                raise ValueError("boxes: each is x0, y0, x1, y1 with x0 < x1 and y0 < y1.")
            if x1 > self.columns or y1 > self.rows:
                raise ValueError(
                    f"boxes: {x0}, {y0}, {x1}, {y1} reaches over the image of {self.columns} "
                    f"columns and {self.rows} rows."
                )

    def matches(
        self, *, manufacturer: str, model: str, modality: str, rows: int, columns: int
    ) -> bool:
        """Whether an image comes from the device and has its size."""
        return (rows, columns) == (self.rows, self.columns) and self.is_of_device(
            manufacturer=manufacturer, model=model, modality=modality
        )

    def is_of_device(self, *, manufacturer: str, model: str, modality: str) -> bool:
        """Whether an image comes from the device, of whatever size it is."""
        return (
            (not self.modality or self.modality.upper() == modality.strip().upper())
            and fnmatchcase(manufacturer.strip().lower(), _pattern(self.manufacturer))
            and fnmatchcase(model.strip().lower(), _pattern(self.model))
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`; `boxes` is a list of lists of four numbers.

        Raises:
            ValueError: One sentence that names the bad field.
        """
        boxes = data.get("boxes") if isinstance(data, dict) else None
        if not isinstance(boxes, list | tuple):
            raise ValueError("boxes: a list of boxes, each x0, y0, x1, y1.")
        for box in boxes:
            whole = isinstance(box, list | tuple) and len(box) == 4
            if not whole or not all(type(number) is int for number in box):
                raise ValueError("boxes: each is four whole numbers, x0, y0, x1, y1.")
        return cls(
            manufacturer=text_field(data, "manufacturer"),
            model=text_field(data, "model"),
            rows=number_field(data, "rows"),
            columns=number_field(data, "columns"),
            boxes=tuple((box[0], box[1], box[2], box[3]) for box in boxes),
            modality=text_field(data, "modality", ""),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "manufacturer": self.manufacturer,
            "model": self.model,
            "rows": self.rows,
            "columns": self.columns,
            "boxes": [list(box) for box in self.boxes],
            "modality": self.modality,
        }


def _pattern(pattern: str) -> str:
    """Only `*` is special: square brackets and question marks stand in names of models."""
    escaped = pattern.strip().lower().replace("[", "[[]").replace("?", "[?]")
    return escaped


def regions_for(
    regions: tuple[DeviceRegion, ...],
    *,
    manufacturer: str,
    model: str,
    modality: str,
    rows: int,
    columns: int,
) -> tuple[Box, ...]:
    """Boxes of all the regions that match."""
    found: dict[Box, None] = {}
    for region in regions:
        if region.matches(
            manufacturer=manufacturer, model=model, modality=modality, rows=rows, columns=columns
        ):
            found.update(dict.fromkeys(region.boxes))
    return tuple(found)


def is_of_other_size(
    regions: tuple[DeviceRegion, ...],
    *,
    manufacturer: str,
    model: str,
    modality: str,
) -> bool:
    """Whether a region is about just these images but for their size, where none has matched.

    Only regions that name a modality tell that all images of the device are like that.
    """
    return any(
        region.modality
        and region.is_of_device(manufacturer=manufacturer, model=model, modality=modality)
        for region in regions
    )
