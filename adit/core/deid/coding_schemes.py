"""Tells codes of published terminologies from those that an institution made up (PS3.16 8)."""

from __future__ import annotations

from functools import lru_cache

CODING_SCHEME_DESIGNATOR = 0x00080102

_SCHEMES = """
ACR ASTM-SIGPURPOSE BARI BI C4 C5 CCRE CD2 CTCAE DC DCM DCMUID DICCO FMA HCPCS HPC I10 I10P I9 I9C
IBSI ICDO3 IEEE11073 ISO639_1 ISO639_2 ISO3166_1 ITIS_TSN LN LOINC MA MAYOASRG MDC MDDC MSH NCDR
NCIT NDC NEU NICIP NYUMCCG PATHLEX POS RADELEMENT RADLEX RFC3066 RXNORM SCT SNM3 SRT SNOMED-RT
UBERON UCUM UMLS UNS UPC WADO XNAT
"""
_PUBLISHED = frozenset(_SCHEMES.split())
"""Designators of PS3.16 Table 8-1."""


@lru_cache(maxsize=1024)
def is_published(designator: bytes) -> bool:
    """Whether the raw value of CodingSchemeDesignator names a published terminology."""
    return designator.decode("ascii", "replace").strip(" \0").upper() in _PUBLISHED
