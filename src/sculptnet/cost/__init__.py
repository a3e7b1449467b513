"""What a network costs: counted, measured, and over whole search spaces at once."""

from sculptnet.cost.counting import (
    ConvFcWeights,
    Counts,
    Macs,
    Parameters,
    conv_fc_weights,
    count,
    macs,
    parameters,
)
from sculptnet.cost.energy import Energy, energy_from_json
from sculptnet.cost.entries import entries_of
from sculptnet.cost.factored import Draws, Extreme, FactoredCost
from sculptnet.cost.memory import ModelBytes, PeakActivation, model_bytes, peak_memory, peak_memory_bytes
from sculptnet.cost.model import CostModel, Reduce, cost_of
from sculptnet.cost.optimum import Alike, Bound, Optimum, diverse, front, optimum
from sculptnet.cost.predictor import LatencyPredictor, fill, fit_predictor
from sculptnet.cost.published_tables import read_fbnet_pi4_table, read_fbnet_tables
from sculptnet.cost.published_yaml import read_ofa_table, read_proxyless_table
from sculptnet.cost.table import HeldOut, LatencyTable, check_covers, table_from_json
from sculptnet.cost.total import FactoredTotal, Priced, TotalCost, factored
from sculptnet.cost.transfer import transfer
from sculptnet.precision import Precision

__all__ = [
    "Alike",
    "Bound",
    "ConvFcWeights",
    "CostModel",
    "Counts",
    "Draws",
    "Energy",
    "Extreme",
    "FactoredCost",
    "FactoredTotal",
    "HeldOut",
    "LatencyPredictor",
    "LatencyTable",
    "Macs",
    "ModelBytes",
    "Optimum",
    "Parameters",
    "PeakActivation",
    "Precision",
    "Priced",
    "Reduce",
    "TotalCost",
    "check_covers",
    "conv_fc_weights",
    "cost_of",
    "count",
    "diverse",
    "energy_from_json",
    "entries_of",
    "factored",
    "fill",
    "fit_predictor",
    "front",
    "macs",
    "model_bytes",
    "optimum",
    "parameters",
    "peak_memory",
    "peak_memory_bytes",
    "read_fbnet_pi4_table",
    "read_fbnet_tables",
    "read_ofa_table",
    "read_proxyless_table",
    "table_from_json",
    "transfer",
]
