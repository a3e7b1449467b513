"""Differentiable search: a supernet and a distribution over its architectures, trained in turn (FBNet)."""
