"""How good the boxes of a detector are: COCO's average precision, as it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final


@final
@dataclass(frozen=True)
class ClassScore:
    """One class.

    Attributes:
        name: of the class.
        ap, ap50: average precision over thresholds 0.5 to 0.95, and at 0.5, 0..1; None without a box.
        boxes: how many there are, ignored ones left out.
        precision50: the precision at 0, 0.01 ... 1 of recall, at 0.5; empty without a box.
    """

    name: str
    ap: float | None
    ap50: float | None
    boxes: int
    precision50: tuple[float, ...]


@final
@dataclass(frozen=True)
class BoxScore:
    """The result on some photographs: means over classes with boxes (Lin et al., ECCV 2014; 100 boxes an image).

    Attributes:
        ap, ap50: as in `ClassScore`.
        images: how many photographs.
        classes: each class, in order.
    """

    NAMES: ClassVar[Mapping[str, str]] = {"ap": "map", "ap50": "map50", "classes": "per_class"}  # in JSON

    ap: float
    ap50: float
    images: int
    classes: tuple[ClassScore, ...]

    def to_json(self) -> dict[str, Any]:
        """As the card holds it: `map`, `map50`, `per_class`."""
        per_class = [
            {"name": one.name, "ap": one.ap, "ap50": one.ap50, "boxes": one.boxes, "precision50": list(one.precision50)}
            for one in self.classes
        ]
        return {"map": self.ap, "map50": self.ap50, "images": self.images, "per_class": per_class}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BoxScore:
        """What `to_json` wrote."""
        rows = tuple(
            ClassScore(row["name"], row["ap"], row["ap50"], row["boxes"], tuple(row["precision50"]))
            for row in data["per_class"]
        )
        return cls(data["map"], data["map50"], data["images"], rows)
