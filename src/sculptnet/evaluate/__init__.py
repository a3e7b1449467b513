"""Ways to find out how good a candidate is. Each is a frozen dataclass that is called with a candidate and a job."""

from sculptnet.evaluate.by_training import ByTraining

__all__ = ["ByTraining"]
