"""Fetching from scripted peers: what came, and how it ended."""

from __future__ import annotations

import contextlib
import queue

from adit.core.dicom import (
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
    RetrieveProtocol,
    TransientDicomError,
)
from adit.core.dicom.tests.samples import CT

STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"
LOCAL = LocalConfig(progress_timeout=1.5, network_timeout=10, acse_timeout=5)


class Inbox:
    """Hands over what the script of the peer puts in."""

    doubles = 0
    conflicting: frozenset[str] = frozenset()
    strangers: dict[str, str] = {}

    def __init__(self):
        self.queue = queue.Queue()

    def expect(self, **_announced):
        return contextlib.nullcontext(self)

    def destination(self):
        return ""

    def take(self, timeout):
        try:
            return self.queue.get(timeout=timeout)
        except queue.Empty:
            return None


def fetch(
    config, *, wanted=None, protocol=RetrieveProtocol.C_GET, inbox=None, local=LOCAL, **about_lists
):
    """What came, and the error at the end."""
    got = []
    with DicomOperator(config, local, incoming=inbox) as operator:
        try:
            for instance in operator.fetch(
                patient_id="P1",
                study_instance_uid=STUDY,
                series={SERIES: wanted},
                protocol=protocol,
                sop_classes=[CT],
                **about_lists,
            ):
                got.append(instance)
        except (TransientDicomError, PermanentDicomError) as error:
            return got, error
    return got, None
