"""The services that ADIT needs, started natively: PostgreSQL, Orthanc and ADIT's own processes.

No Django here: the command line, the tests and the benchmarks use it before there are settings.
"""
