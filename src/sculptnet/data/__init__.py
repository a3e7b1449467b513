"""Labelled images: sources, what is known of them before training, and batches."""

from sculptnet.data.choose import decoded, default_preprocessing
from sculptnet.data.folders import folder
from sculptnet.data.images import Files, ImageData, InMemory, Split, levelled, stratified, subset
from sculptnet.data.inspection import Findings, inspect
from sculptnet.data.loading import EvaluationBatches, TrainingBatches
from sculptnet.data.plausible import check_plausible
from sculptnet.data.preprocessing import Preprocessing, prepare, preprocessing_from_json, to_rgb
from sculptnet.data.sources import BY_NAME, Request, Source, load
from sculptnet.data.survey import survey_files
from sculptnet.data.white import WhiteLevels

__all__ = [
    "BY_NAME",
    "EvaluationBatches",
    "Files",
    "Findings",
    "ImageData",
    "InMemory",
    "Preprocessing",
    "Request",
    "Source",
    "Split",
    "TrainingBatches",
    "WhiteLevels",
    "check_plausible",
    "decoded",
    "default_preprocessing",
    "folder",
    "inspect",
    "levelled",
    "load",
    "prepare",
    "preprocessing_from_json",
    "stratified",
    "subset",
    "survey_files",
    "to_rgb",
]
