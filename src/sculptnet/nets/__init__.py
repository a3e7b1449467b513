"""Networks: the static one of an architecture, and supernets that hold the weights of many."""

from sculptnet.nets.accuracy_predictor import (
    AccuracyPredictor,
    PredictionError,
    fit_accuracy_predictor,
    load_accuracy_predictor,
)
from sculptnet.nets.calibration import calibrate
from sculptnet.nets.elastic import ElasticSupernet
from sculptnet.nets.elastic_range import largest, smallest
from sculptnet.nets.elastic_sorting import sort_channels
from sculptnet.nets.masked import MaskedSupernet
from sculptnet.nets.masked_maps import subsampled
from sculptnet.nets.mixed import MixedSupernet, weights_of
from sculptnet.nets.network import Network, initialise, set_dropout
from sculptnet.nets.relaxed import RelaxedSupernet

__all__ = [
    "AccuracyPredictor",
    "ElasticSupernet",
    "MaskedSupernet",
    "MixedSupernet",
    "Network",
    "PredictionError",
    "RelaxedSupernet",
    "calibrate",
    "fit_accuracy_predictor",
    "initialise",
    "largest",
    "load_accuracy_predictor",
    "set_dropout",
    "smallest",
    "sort_channels",
    "subsampled",
    "weights_of",
]
