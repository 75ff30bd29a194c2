"""What came is checked against what was wanted: no peer's word for success is enough."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable

from ..advice import ASK_ADMIN
from ..cancel import CancelToken
from ..errors import DicomError, PermanentDicomError, TransientDicomError
from ..header import Identifiers, MalformedDataSet, same_patient
from ..instance import DicomInstance
from .failures import concerns_all, worst
from .retrievers import Retriever
from .want import Want, is_short_list

logger = logging.getLogger(__name__)

# In a row, and for a reason that is not theirs alone.
_FAILED_SERIES_BEFORE_GIVING_UP = 2
# So many instances that came before, or that nobody wants, are taken as they come.
_MOST_USELESS = 10_000


def retrieve_checked(
    retriever: Retriever,
    wants: Iterable[Want],
    server: str,
    cancel: CancelToken,
    without: set[str] | None = None,
) -> Generator[DicomInstance, None, None]:
    """Yields each wanted instance once, whatever the server sends.

    Instances of another study or series than was asked for are dropped and are an error, and so
    are data sets that end too early, unless the instance comes once more in good order. Duplicates,
    and other instances of the same series where some were asked for by name, are dropped quietly,
    but for what `Want.listed` is there for: once an instance shows that the list was short, what
    the server says about the rest counts although all that was listed came.
    Where only instances of the patient are wanted, those of another one do not count as received;
    the first of each SOP Instance UID is yielded for the caller to say so. A series that fails does
    not keep the following ones from being tried. Only what says that the server as a whole is away,
    overloaded or (where it has sent nothing so far) does not serve us ends the retrieval, after two
    series in a row.

    Args:
        retriever: Brings the instances.
        wants: Series by series.
        server: Its name.
        cancel: Ends it.
        without: Takes the UIDs of the series that failed and of which nothing came.

    Raises:
        PermanentDicomError: After the last instance, if nothing else can be expected later.
        TransientDicomError: After the last instance, if a later attempt may bring the rest.
        Canceled: If the token is set.
    """
    problems: list[DicomError] = []
    failed_in_a_row = 0
    served = False
    for want in wants:
        received: set[str] = set()
        problem: DicomError | None = None
        damaged: set[str] = set()
        foreign: set[str] = set()
        misplaced = useless = surplus = 0
        try:
            for instance in retriever.retrieve(want, received):
                if cancel.canceled:
                    instance.discard()
                    cancel.check()
                identifiers = _identifiers(instance)
                if identifiers is None:
                    damaged.add(instance.sop_instance_uid)
                    instance.discard()
                elif not _belongs(identifiers, want):
                    misplaced += 1
                    instance.discard()
                elif _is_useless(instance, identifiers, want, received, foreign):
                    useless += 1
                    if useless > _MOST_USELESS + 4 * max(len(received), want.series_size or 0):
                        instance.discard()
                        raise _without_end(server)
                    if _may_differ(instance, identifiers, want, received):
                        yield instance
                        del instance
                    else:
                        instance.discard()
                else:
                    surplus += want.is_surplus(instance.sop_instance_uid)
                    own = received if _is_own(identifiers, want) else foreign
                    own.add(instance.sop_instance_uid)
                    yield instance
                    del instance
        except DicomError as error:
            cancel.check()
            problem = error
        problem = _verdict(want, received, foreign - received, problem, server, short=bool(surplus))
        # Where all that was wanted is there, a damaged copy beside it does not matter.
        wanted_more = want.sop_instance_uids is None or problem is not None
        if wanted_more and (lost := len(damaged - received)):
            problem = _damaged(server, lost)
        if misplaced:
            # That tells more than the counts that follow from it.
            problem = _misplaced(server, misplaced, transient=problem is not None)
        if problem is not None:
            problems.append(problem)
            if is_short_list(problem) and want.observer is not None:
                want.observer.list_is_short(want.series_instance_uid)
        served = served or bool(received)
        came_to_nothing = problem is not None and not received
        if came_to_nothing and without is not None:
            without.add(want.series_instance_uid)
        refused = (
            came_to_nothing
            and problem is not None
            and concerns_all(problem, retriever.of_all, served=served)
        )
        failed_in_a_row = failed_in_a_row + 1 if refused else 0
        if failed_in_a_row >= _FAILED_SERIES_BEFORE_GIVING_UP:
            break
    if problems:
        raise worst(problems)


def _identifiers(instance: DicomInstance) -> Identifiers | None:
    """What the data set says that it is; None where it is damaged."""
    try:
        found = instance.survey()
    except MalformedDataSet:
        logger.warning("An instance came whose data set cannot be read.")
        return None
    if not found.whole or not instance.size:
        logger.warning("An instance came whose data set ends too early.")
        return None
    if found.identifiers.sop_instance_uid:
        # Some peers pad or mangle the UID in the command; the data set's own counts.
        instance.sop_instance_uid = found.identifiers.sop_instance_uid
    if found.identifiers.sop_class_uid:
        instance.sop_class_uid = found.identifiers.sop_class_uid
    if not instance.has_writable_uids:
        logger.warning("An instance came whose UIDs are broken.")
        return None
    return found.identifiers


def _belongs(identifiers: Identifiers, want: Want) -> bool:
    return (
        identifiers.study_instance_uid == want.study_instance_uid
        and identifiers.series_instance_uid == want.series_instance_uid
    )


def _is_own(identifiers: Identifiers, want: Want) -> bool:
    """Whether it is of the patient, where a server has one study under several (PS3.5 9.1)."""
    return not want.of_patient_only or same_patient(identifiers.patient_id, want.patient_id)


def _may_differ(
    instance: DicomInstance, identifiers: Identifiers, want: Want, received: set[str]
) -> bool:
    """Whether it is a second one under its UID, which whoever wants it has to compare."""
    return (
        want.listed is not None
        and instance.sop_instance_uid in received
        and _is_own(identifiers, want)
    )


def _is_useless(
    instance: DicomInstance,
    identifiers: Identifiers,
    want: Want,
    received: set[str],
    foreign: set[str],
) -> bool:
    uid = instance.sop_instance_uid
    if uid in received or (uid in foreign and not _is_own(identifiers, want)):
        return True
    if want.sop_instance_uids is None or uid in want.sop_instance_uids:
        return False
    return not (want.is_surplus(uid) and _is_own(identifiers, want))


def _verdict(
    want: Want,
    received: set[str],
    foreign: set[str],
    problem: DicomError | None,
    server: str,
    *,
    short: bool,
) -> DicomError | None:
    """What is wrong with a series, given what came and what the server said.

    `foreign` came in copies of another patient only; `short` says that the server had not listed
    all of the series, so that what it listed is no measure.
    """
    if want.sop_instance_uids is not None:
        missing = len(want.missing(received))
        if not missing:
            # All is here; that the server reports a failure does not matter.
            return problem if short or is_short_list(problem) else None
        if want.missing(received) <= foreign:
            return _of_another_patient(server, missing)
        return problem or TransientDicomError(
            f"{server} did not send {missing} of {len(want.sop_instance_uids)} instances.",
            code="incomplete",
        )
    if foreign and not received:
        return _of_another_patient(server, len(foreign))
    if problem is None and not received:
        return TransientDicomError(
            f"{server} sent nothing although it reported no failure.", code="nothing"
        )
    return problem


def _without_end(server: str) -> DicomError:
    return TransientDicomError(
        f"{server} sends the same instances again and again.", code="no progress"
    )


def _damaged(server: str, count: int) -> DicomError:
    """Transient: what was damaged on the way comes whole the next time."""
    what = "an instance that is" if count == 1 else f"{count} instances that are"
    return TransientDicomError(
        f"{server} sent {what} cut off or not readable.",
        code="incomplete",
        advice=f"{ASK_ADMIN} to check it there if that goes on.",
    )


def _misplaced(server: str, count: int, *, transient: bool) -> DicomError:
    """Where nothing is missing, a repetition would only bring the same."""
    kind = TransientDicomError if transient else PermanentDicomError
    return kind(
        f"{server} sent {count} instances that belong to another study or series.",
        code="misplaced",
        advice=f"{ASK_ADMIN}.",
    )


def _of_another_patient(server: str, count: int) -> DicomError:
    """Asked again it would send the same."""
    return PermanentDicomError(
        f"{server} sent {count} instances that belong to another patient.",
        code="another patient",
        advice=f"{ASK_ADMIN}: the Study Instance UID is there under several patients.",
    )
