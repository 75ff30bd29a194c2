"""The rules of pseudonyms: within one basket, and against earlier transfers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from anyascii import anyascii
from django.db.models import Q

from adit.accounts.models import User
from adit.core.models import DeidProfile
from adit.selective_transfer.basket import Basket, Patient
from adit.selective_transfer.models import SelectiveTransferTask

REQUIRED = (
    "A pseudonym is needed: in your active group you may transfer only pseudonymised studies."
)

# An ID or a name that is read over separators must be longer: `7-004` is not the ID 7004.
_SHORTEST_SQUEEZED_ID, _SHORTEST_WHOLE_NAME = 5, 4
_IN_TWO = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "Ä": "Ae",
        "Ö": "Oe",
        "Ü": "Ue",
        "ß": "ss",
        "å": "aa",
        "ø": "oe",
    }
)

# Kana, ideographs and Hangul.
_SYLLABLES = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"


def refusals(
    patients: Sequence[Patient], pseudonyms: Mapping[str, str], *, required: bool
) -> dict[str, str]:
    """Why the pseudonyms cannot be used, by the patient's key ("" for all of them).

    Args:
        patients: the patients of the basket.
        pseudonyms: theirs, by the patient's key; "" for none.
        required: whether each patient needs one.
    """
    errors: dict[str, str] = {}
    given = {patient.key: pseudonyms.get(patient.key, "") for patient in patients}
    missing = [key for key, pseudonym in given.items() if not pseudonym]
    if required:
        errors |= dict.fromkeys(missing, REQUIRED)
    elif missing and len(missing) < len(given):
        errors[""] = (
            "Some patients have a pseudonym and some have none. Give one to each, or to nobody."
        )
    owners: dict[str, list[Patient]] = {}
    for patient in patients:
        if pseudonym := given[patient.key]:
            owners.setdefault(folded(pseudonym), []).append(patient)
            if _tells_who(patient, pseudonym):
                errors[patient.key] = "The pseudonym holds the patient's own ID or name."
    for sharers in owners.values():
        if len(sharers) > 1:
            text = "This pseudonym would stand for several patients. Give each one of their own."
            errors |= {patient.key: text for patient in sharers}
    return errors


def _tells_who(patient: Patient, pseudonym: str) -> bool:
    """Whether the patient's ID, birth date or a part of the name stands in it: three letters or
    more, or two of a script whose names are as short. Another width, case, accent, script or
    separator makes no difference."""
    own = folded(patient.patient_id)
    texts = _spellings(pseudonym)
    apart = {_squeezed(text) for text in texts}
    if own and own in texts or len(own) >= 3 and any(own in text for text in texts):
        return True
    squeezed = {_squeezed(own), _squeezed(own).lstrip("0")}
    parts = {part for part in squeezed if len(part) >= _SHORTEST_SQUEEZED_ID}
    for study in patient.studies:
        if born := study.birth_date:
            parts |= {born.strftime(form) for form in ("%Y%m%d", "%d%m%Y", "%m%d%Y")}
        for name in _spellings(study.patient_name):
            parts |= set(re.findall(rf"[^\W\d_]{{3,}}|[{_SYLLABLES}]{{2,}}", name))
            if len(whole := _squeezed(name)) >= _SHORTEST_WHOLE_NAME:
                parts.add(whole)
    return any(part in text for part in parts for text in (*texts, *apart))


def _spellings(text: str) -> set[str]:
    """A text as it is, in Latin letters, and with umlauts written in two."""
    found = {folded(text)}
    for form in (text, unicodedata.normalize("NFC", text).translate(_IN_TWO)):
        found.add(folded(anyascii(form)))
    return found


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def folded(text: str) -> str:
    """A text as far as readers tell it from others: without width, case, accents and signs that
    nobody sees (Unicode NFKC, UAX 15)."""
    compatible = unicodedata.normalize("NFKC", text).casefold()
    decomposed = unicodedata.normalize("NFKD", compatible)
    seen = (c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf"))
    return unicodedata.normalize("NFC", "".join(seen)).strip()


def warnings(
    user: User, basket: Basket, pseudonyms: Mapping[str, str], profile: DeidProfile | None
) -> list[str]:
    """What the user should know before the transfer: one person under two patient IDs, and
    earlier transfers of this profile that do not fit."""
    found = _one_person_twice(basket.patients)
    if profile is None:
        return found
    for patient in basket.patients:
        if (pseudonym := pseudonyms.get(patient.key, "")) and patient.patient_id:
            found += _earlier(user, patient, pseudonym, profile)
    return found


def _one_person_twice(patients: Sequence[Patient]) -> list[str]:
    people: dict[tuple[str, object], list[str]] = {}
    for patient in patients:
        study = patient.studies[0]
        if study.patient_name and study.birth_date:
            person = (study.readable_name.casefold(), study.birth_date)
            people.setdefault(person, []).append(patient.words)
    return [
        f"{' and '.join(words)} have the same name and birth date. If they are one person, give "
        "the studies one after the other, so that the pseudonym can be the same."
        for words in people.values()
        if len(words) > 1
    ]


def _earlier(user: User, patient: Patient, pseudonym: str, profile: DeidProfile) -> list[str]:
    """What earlier tasks of the profile, of whatever version, say against the pseudonym."""
    same_patient = Q(patient_id=patient.patient_id) & ~Q(pseudonym__in=["", pseudonym])
    other_patient = Q(pseudonym=pseudonym) & ~Q(patient_id=patient.patient_id)
    tasks = SelectiveTransferTask.objects.filter(
        same_patient | other_patient, job__selectivetransferjob__profile__name=profile.name
    )
    rows = tasks.values_list("patient_id", "pseudonym", "job__owner_id").order_by("-pk")[:100]
    other_name, stood_for_other = "", False
    for patient_id, earlier, owner_id in rows:
        if patient_id == patient.patient_id:
            # Pseudonyms that others gave are theirs to know.
            own = owner_id == user.pk or user.is_staff
            other_name = other_name or (f"the pseudonym {earlier}" if own else "another pseudonym")
        else:
            stood_for_other = True
    found = []
    if other_name:
        found.append(f"{patient.words} was transferred earlier under {other_name}.")
    if stood_for_other:
        found.append(f"The pseudonym {pseudonym} stood for another patient in an earlier transfer.")
    return found
