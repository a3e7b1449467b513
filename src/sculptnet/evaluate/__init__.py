"""Ways to find out how good a candidate is. Each is a frozen dataclass that is called with a candidate and a job."""

from sculptnet.evaluate.by_detector_training import ByDetectorTraining
from sculptnet.evaluate.by_training import ByTraining
from sculptnet.evaluate.from_predictor import FromPredictor, Predictor
from sculptnet.evaluate.from_supernet import FromSupernet
from sculptnet.evaluate.from_table import FromTable, read_nas_bench_macro
from sculptnet.evaluate.trains import Trains

__all__ = [
    "ByDetectorTraining",
    "ByTraining",
    "FromPredictor",
    "FromSupernet",
    "FromTable",
    "Predictor",
    "Trains",
    "read_nas_bench_macro",
]
