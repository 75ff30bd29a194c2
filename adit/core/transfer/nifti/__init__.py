"""NIfTI files instead of DICOM: each series is converted by dcm2niix, after de-identification."""
