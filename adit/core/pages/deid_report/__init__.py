"""The report of a job: what its de-identification did, in numbers."""
