"""Example studies of made-up patients, generated, the same on every machine."""

from .catalogue import PATIENTS
from .headers import phantom_uid
from .plans import Patient, Series, Study
from .writer import PYDICOM_SAMPLES, example_instances, study_instances, write_example_studies

__all__ = [
    "PATIENTS",
    "PYDICOM_SAMPLES",
    "Patient",
    "Series",
    "Study",
    "example_instances",
    "phantom_uid",
    "study_instances",
    "write_example_studies",
]
