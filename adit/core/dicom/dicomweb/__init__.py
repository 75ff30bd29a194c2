"""DICOMweb (PS3.18) as its user: QIDO-RS, WADO-RS, STOW-RS, streamed and untouched."""

from .connector import DicomWebConnector

__all__ = ["DicomWebConnector"]
