"""Bringing instances in: one retriever for each protocol, and the checks that hold for all."""

from .checked import retrieve_checked
from .lanes import Errands, worst_of_lanes
from .retrievers import GetRetriever, MoveRetriever, Retriever, WadoRetriever
from .want import Observer, Want

__all__ = [
    "Errands",
    "GetRetriever",
    "MoveRetriever",
    "Observer",
    "Retriever",
    "WadoRetriever",
    "Want",
    "retrieve_checked",
    "worst_of_lanes",
]
