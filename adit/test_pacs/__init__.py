"""A PACS double with faults to switch on, and example studies to fill it with."""

from .archive import Archive, ArchivedInstance
from .double import PacsDouble
from .faults import Faults
from .observations import Observations

__all__ = ["Archive", "ArchivedInstance", "Faults", "Observations", "PacsDouble"]
