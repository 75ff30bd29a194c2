"""Looks at one held instance: fetched anew from its source, shown before and after."""

from __future__ import annotations

from typing import Any

from adit.core.deid import Assignment, DeidentificationError, preview
from adit.core.dicom import DicomError
from adit.core.jobs.registry import concrete_job, concrete_task
from adit.core.models import DicomServer, SeriesTransfer
from adit.core.pages.profiles.shown_preview import ShownPreview, around_findings
from adit.core.transfer.records import InstanceRecord
from adit.core.transfer.single import fetch_one, look_up, looking_at, within_time


class CannotLook(Exception):
    """The instance cannot be shown; the message says why in words, without identifiers."""


def look_at(row: SeriesTransfer, record: InstanceRecord) -> ShownPreview:
    """What the profile of the task does to the instance, around what was found.

    Raises:
        CannotLook: the source does not send it, or it cannot be de-identified any more.
    """
    task: Any = concrete_task(row.task, row.task.job.kind)
    job: Any = concrete_job(row.task.job)
    if not getattr(job, "profile", None) or not getattr(task, "pseudonym", ""):
        raise CannotLook("The task de-identifies nothing.")
    server = DicomServer.objects.filter(pk=task.source_id).first()
    if server is None or not server.is_active:
        raise CannotLook("The source is not active any more.")
    try:
        with within_time(server.name) as cancel, looking_at(server, cancel) as source:
            study_uid = task.study_instance_uid
            filed = look_up(source, task.patient_id, study_uid)
            instance = fetch_one(
                source,
                filed.patient_id,
                study_uid,
                row.series_instance_uid,
                record.source_uid,
                shared=filed.shared,
            )
        found = preview(
            job.profile.to_profile(),
            Assignment(
                pseudonym=task.pseudonym,
                trial_protocol_id=job.trial_protocol_id,
                trial_protocol_name=job.trial_protocol_name,
                patient=filed.patient,
            ),
            instance.open(),
            instance.transfer_syntax_uid,
        )
    except (DicomError, DeidentificationError) as err:
        raise CannotLook(str(err)) from err
    return around_findings(found, record.findings)
