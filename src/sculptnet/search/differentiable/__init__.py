"""Differentiable search: a supernet and a distribution over its architectures, trained in turn (FBNet)."""

__all__: list[str] = []
