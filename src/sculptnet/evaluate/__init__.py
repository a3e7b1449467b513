"""Ways to find out how good a candidate is. Each is a frozen dataclass that is called with a candidate and a job."""

from sculptnet.evaluate.by_training import ByTraining
from sculptnet.evaluate.from_predictor import FromPredictor, Predictor

__all__ = ["ByTraining", "FromPredictor", "Predictor"]
