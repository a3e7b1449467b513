"""Search of architecture and recipe together, by a predictor that free statistics have prepared (FBNetV3)."""

__all__: list[str] = []
