"""The last choices that are kept for the form."""

FORM = "selective_transfer"
KEYS = (
    "source",
    "destination",
    "profile",
    "urgent",
    "send_finished_mail",
    "archive",
    "convert_to_nifti",
)
