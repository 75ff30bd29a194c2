"""Loaded once by the fork server, so that a child process starts in milliseconds."""

import gc

gc.disable()

import django  # noqa: E402

django.setup()

import pydicom  # noqa: E402, F401
import pynetdicom  # noqa: E402, F401

import adit.core.jobs.child  # noqa: E402, F401
import adit.core.jobs.run  # noqa: E402, F401
import adit.core.transfer  # noqa: E402, F401
from adit.core.jobs.connections import keep_connections  # noqa: E402

keep_connections()

# What is loaded stays: children that never collect it share its memory with the fork server.
gc.collect()
gc.freeze()
