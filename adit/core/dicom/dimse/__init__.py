"""DIMSE (PS3.7) over the DICOM upper layer (PS3.8), as a requestor.

pynetdicom encodes and decodes the negotiation; messages and their data sets go through a lean path
of our own: one thread, blocking sockets, no decoding, bounded memory.
"""

from .connector import DimseConnector, Scope
from .progress import ProgressClock, RetrieveReport, no_progress

__all__ = ["DimseConnector", "ProgressClock", "RetrieveReport", "Scope", "no_progress"]
