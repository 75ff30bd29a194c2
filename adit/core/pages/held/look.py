"""Looks at one held instance: fetched anew from its source, shown before and after."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from adit.core.deid import (
    Assignment,
    DeidentificationError,
    Profile,
    Pseudonymizer,
    preview,
)
from adit.core.dicom import DicomError, DicomInstance
from adit.core.jobs.registry import concrete_job, concrete_task
from adit.core.models import DicomServer, SeriesTransfer
from adit.core.models.records import InstanceRecord
from adit.core.pages.held.beyond import beyond_pictures
from adit.core.pages.held.contents import Content, content_of, contents, words_of
from adit.core.pages.held.documents import Document, document_of, part10
from adit.core.pages.profiles.shown_preview import ShownPreview, around_findings, tag_of
from adit.core.pages.rendering import CannotRender, Rendered, Window, has_pixels, render_frame
from adit.core.transfer.single import fetch_one, look_up, looking_at, within_time


class CannotLook(Exception):
    """The instance cannot be shown; the message says why in words, without identifiers."""


@dataclass(frozen=True)
class Seen:
    """A held instance as the source has it now, and as it would leave.

    Attributes:
        is_as_held: What would leave is, to the byte, what was held and what a release is for.
    """

    source: DicomInstance
    leaving: DicomInstance
    is_as_held: bool
    profile: Profile
    assignment: Assignment


@dataclass(frozen=True)
class Picture:
    """A frame for the page, or why there is none.

    Attributes:
        beyond: What the object holds that no picture shows, in words.
    """

    rendered: Rendered | None
    error: str = ""
    beyond: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The PNG within the page itself: nothing is fetched for it, nothing cached."""
        png = self.rendered.png if self.rendered else b""
        return f"data:image/png;base64,{b64encode(png).decode()}"


@dataclass(frozen=True)
class Look:
    """What a page shows of a held instance, all as it would leave."""

    is_as_held: bool
    preview: ShownPreview
    picture: Picture | None
    document: Document | None
    document_content: Content | None
    contents: list[Content]


def see(row: SeriesTransfer, record: InstanceRecord) -> Seen:
    """Fetch the instance and de-identify it, as the task would.

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
        profile = job.profile.to_profile()
        assignment = Assignment(
            pseudonym=task.pseudonym,
            trial_protocol_id=job.trial_protocol_id,
            trial_protocol_name=job.trial_protocol_name,
            patient=filed.patient,
        )
        leaving = _deidentified(instance, profile, assignment)
    except (DicomError, DeidentificationError) as err:
        raise CannotLook(str(err)) from err
    is_as_held = leaving.sha256() == record.sha256_held
    return Seen(instance, leaving, is_as_held, profile, assignment)


def _deidentified(
    instance: DicomInstance, profile: Profile, assignment: Assignment
) -> DicomInstance:
    target = io.BytesIO()
    syntax = instance.transfer_syntax_uid
    with instance.open() as source:
        result = Pseudonymizer(profile, assignment).process(source, target, syntax)
    if result.excluded:
        raise CannotLook(f"It would not be transferred at all any more: {result.excluded}")
    return DicomInstance(
        result.sop_class_uid,
        result.sop_instance_uid,
        result.transfer_syntax_uid or syntax,
        target.getvalue(),
    )


def look_at(
    row: SeriesTransfer, record: InstanceRecord, frame: int = 1, window: Window = Window.VIEWER
) -> Look:
    """What the profile of the task does to the instance, and what would leave.

    Args:
        frame: of its pixels, from 1.

    Raises:
        CannotLook: as `see`.
    """
    seen = see(row, record)
    with seen.source.open() as source:
        try:
            found = preview(seen.profile, seen.assignment, source, seen.source.transfer_syntax_uid)
        except DeidentificationError as err:
            raise CannotLook(str(err)) from err
    dataset = read(seen.leaving)
    words = words_of(found.rows, seen.assignment.patient)
    tags = {one.tag for one in found.findings} | set(filter(None, map(tag_of, record.findings)))
    document = document_of(dataset)
    return Look(
        is_as_held=seen.is_as_held,
        preview=around_findings(found, record.findings),
        # Before the pixels are touched: raw values are read.
        contents=contents(dataset, tags, words),
        document=document,
        document_content=content_of(document.kind, document.data, words) if document else None,
        picture=_picture(dataset, frame, window) if has_pixels(dataset) else None,
    )


def read(instance: DicomInstance) -> Dataset:
    """The instance as a data set with file meta information.

    Raises:
        CannotLook: it cannot be read.
    """
    syntax = UID(instance.transfer_syntax_uid)
    try:
        if syntax.is_deflated:
            return dcmread(io.BytesIO(part10(instance)))
        with instance.open() as file:  # without a copy: there may be hundreds of megabytes
            dataset = read_dataset(file, syntax.is_implicit_VR, syntax.is_little_endian)
    except Exception as error:  # pydicom raises many kinds; texts may quote values
        raise CannotLook(f"The object cannot be read ({type(error).__name__}).") from None
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def _picture(dataset: Dataset, frame: int, window: Window) -> Picture:
    beyond = tuple(beyond_pictures(dataset))
    try:
        return Picture(render_frame(dataset, frame, window), beyond=beyond)
    except CannotRender as error:
        return Picture(None, str(error), beyond)
