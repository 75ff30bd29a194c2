"""A kind of job whose tasks touch no PACS: they do nothing, take long, fail or die, as they are
told. For tests and benchmarks of the job engine; never part of a running system."""
