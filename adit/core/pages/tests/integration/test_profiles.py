import csv
import html
import io
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from pydicom.data import get_testdata_file

from adit.audit.models import AuditEntry
from adit.core.factories import DeidProfileFactory, UserFactory
from adit.core.jobs.actions import Conflict
from adit.core.jobs.actions.profiles import create_profile
from adit.core.models import DeidProfile
from adit.core.models.profiles import VersionIsFixed
from adit.selective_transfer.models import SelectiveTransferJob

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture
def manager(db):
    user = UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="manage_profiles"))
    return user


@pytest.fixture
def client(manager):
    client = Client()
    client.force_login(manager)
    return client


def posted(**changes):
    """What the form of a profile posts."""
    fields = {
        "name": "Lung study",
        "note": "First",
        "options": ["clean_descriptors"],
        "excluded_modalities": "pr, SR",
        "burned_in": "hold",
        "leak_gate": "on",
    }
    for table in ("own_rules", "safe_private", "device_regions"):
        fields |= {f"{table}-TOTAL_FORMS": 0, f"{table}-INITIAL_FORMS": 0}
    return fields | changes


def rule(number=0, **changes):
    fields = {"tag": "ImageComments", "action": "keep", "reason": "They are evaluated"} | changes
    return {f"own_rules-{number}-{name}": value for name, value in fields.items()}


def text_of(response) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_a_profile_is_made_with_its_tables(client, manager):
    tables = {
        "own_rules-TOTAL_FORMS": 1,
        **rule(),
        "safe_private-TOTAL_FORMS": 1,
        "safe_private-0-creator": "SIEMENS MR HEADER",
        "safe_private-0-group": "0019",
        "safe_private-0-element": "0C",
        "safe_private-0-vr": "is",
        "device_regions-TOTAL_FORMS": 1,
        "device_regions-0-manufacturer": "GE*",
        "device_regions-0-model": "LOGIQ*",
        "device_regions-0-rows": 768,
        "device_regions-0-columns": 1024,
        "device_regions-0-boxes": "0, 0, 1024, 60; 0 700 200 768",
    }
    response = client.post("/profiles/new/", posted(**tables))
    profile = DeidProfile.objects.get(name="Lung study")
    assert response.headers["Location"] == f"/profiles/{profile.pk}/"
    assert profile.excluded_modalities == ["PR", "SR"]
    assert profile.safe_private[0]["group"] == 0x19
    assert profile.device_regions[0]["boxes"] == [[0, 0, 1024, 60], [0, 700, 200, 768]]
    assert profile.to_profile().own_rules[0].reason == "They are evaluated"
    entry = AuditEntry.objects.get(action="profile.create")
    assert (entry.username, entry.object_id) == (manager.username, str(profile.pk))
    assert client.get(response.headers["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "standard RESEARCH"}, "There is such a profile"),
        ({"name": "Stаndard-rеsearch"}, "whose name looks the same"),
        (
            {"own_rules-TOTAL_FORMS": 1, **rule(tag="Rows", action="remove")},
            "no program can read the object",
        ),
        (
            {"own_rules-TOTAL_FORMS": 1, **rule(tag="SOPInstanceUID", action="remove")},
            "written by ADIT itself",
        ),
        (
            {"own_rules-TOTAL_FORMS": 1, **rule(tag="PixelData", action="remove")},
            "or is pixel data",
        ),
        ({"name": "a\0b"}, "Null characters are not allowed"),
        (
            {
                "options": [
                    "retain_longitudinal_full_dates",
                    "retain_longitudinal_modified_dates",
                ]
            },
            "Dates are either kept or shifted",
        ),
        ({"options": ["everything"]}, "There is no option everything"),
        ({"excluded_modalities": "PR, <b>"}, "This is no modality: <B>"),
        ({"burned_in": "perhaps"}, "Select a valid choice"),
        ({"groups": ["4711"]}, "4711 is not one of the available choices"),
        ({"own_rules-TOTAL_FORMS": 1, **rule(tag="Nonsense")}, "Neither eight hexadecimal digits"),
        ({"own_rules-TOTAL_FORMS": 1, **rule(reason="")}, "This field is required"),
        ({"own_rules-TOTAL_FORMS": 1, **rule(value="x")}, "Only the action replace has a value"),
        (
            {"own_rules-TOTAL_FORMS": 2, **rule(), **rule(1, tag="00204000")},
            "There is a rule for this attribute already",
        ),
        (
            {
                "own_rules-TOTAL_FORMS": 2,
                **rule(tag="00190001", private_creator="MAKER", vr="LO"),
                **rule(1, tag="00191001", private_creator="MAKER", vr="LO"),
            },
            "There is a rule for this attribute already",
        ),
        (
            {"own_rules-TOTAL_FORMS": 1, **rule(tag="00190001", private_creator="MAKER")},
            "A private element needs two capitals",
        ),
        (
            {
                "own_rules-TOTAL_FORMS": 1,
                **rule(tag="AcquisitionDate"),
                "options": ["retain_longitudinal_modified_dates"],
            },
            "one that stays as it is would tell by how much",
        ),
        (
            {
                "safe_private-TOTAL_FORMS": 1,
                "safe_private-0-creator": "MAKER",
                "safe_private-0-group": "0019",
                "safe_private-0-element": "0C",
            },
            "This field is required",
        ),
        ({"own_rules-TOTAL_FORMS": "many"}, "ManagementForm data is missing"),
        (
            {"device_regions-TOTAL_FORMS": 1, "device_regions-0-boxes": "1, 2, 3"},
            "This field is required",
        ),
    ],
)
def test_bad_input_is_answered_at_its_field_and_nothing_typed_is_lost(client, changes, words):
    response = client.post("/profiles/new/", posted(note="typed with care", **changes))
    assert response.status_code == 422
    assert words in text_of(response)
    assert "typed with care" in response.content.decode()
    assert not DeidProfile.objects.filter(note="typed with care").exists()


def test_a_row_can_be_added_without_scripts(client):
    response = client.post(
        "/profiles/new/", posted(add="own_rules", **{"own_rules-TOTAL_FORMS": 1, **rule()})
    )
    content = response.content.decode()
    assert response.status_code == 200
    assert 'name="own_rules-1-tag"' in content
    assert "They are evaluated" in content


def test_a_new_version_keeps_the_secret_and_the_old_one_stays(client):
    earlier = DeidProfileFactory(name="Lung study")
    response = client.post(f"/profiles/{earlier.pk}/edit/", posted(name="ignored"))
    newer = DeidProfile.objects.get(name="Lung study", version=2)
    assert response.headers["Location"] == f"/profiles/{newer.pk}/"
    assert newer.secret == earlier.secret
    assert newer.options == ["clean_descriptors"]
    earlier.refresh_from_db()
    assert earlier.options == []


def test_a_fresh_secret_is_an_explicit_choice(client):
    earlier = DeidProfileFactory(name="Lung study")
    client.post(f"/profiles/{earlier.pk}/edit/", posted(fresh_secret="on"))
    newer = DeidProfile.objects.get(name="Lung study", version=2)
    assert newer.secret != earlier.secret
    assert "fresh secret" in AuditEntry.objects.get(action="profile.version").outcome
    page = client.get(f"/profiles/{newer.pk}/compare/").content.decode()
    assert "UIDs and dates do not fit" in page


def test_two_who_edit_one_version_do_not_overwrite_each_other(client):
    earlier = DeidProfileFactory(name="Lung study")
    client.post(f"/profiles/{earlier.pk}/edit/", posted())
    response = client.post(f"/profiles/{earlier.pk}/edit/", posted(note="typed second"))
    assert response.status_code == 422
    assert "is not the newest version any more" in text_of(response)
    assert "typed second" in response.content.decode()


def test_a_saved_version_does_not_change():
    profile = DeidProfileFactory()
    profile.leak_gate = False
    with pytest.raises(VersionIsFixed):
        profile.save()
    profile.refresh_from_db()
    profile.is_active = False
    profile.save()


def test_the_newest_active_version_is_offered(client):
    user = UserFactory()
    first = DeidProfileFactory(name="Lung study")
    second = DeidProfileFactory(name="Lung study", version=2)
    usable = DeidProfile.objects.usable_by(user).filter(name="Lung study")
    assert list(usable) == [second]
    client.post(f"/profiles/{second.pk}/active/", {"active": "0"})
    assert list(usable.all()) == [first]
    again = client.post(f"/profiles/{second.pk}/active/", {"active": "0"})
    assert again.status_code == 409
    assert "is retired already" in text_of(again)
    client.post(f"/profiles/{second.pk}/active/", {"active": "1"})
    assert list(usable.all()) == [second]


def test_a_version_closed_to_a_group_does_not_open_an_older_one(client):
    user, other = UserFactory(), Group.objects.create(name="Others")
    DeidProfileFactory(name="Lung study")
    second = DeidProfileFactory(name="Lung study", version=2)
    client.post(f"/profiles/{second.pk}/groups/", {"groups": [other.pk]})
    assert not DeidProfile.objects.usable_by(user).filter(name="Lung study").exists()
    assert AuditEntry.objects.get(action="profile.groups").outcome.endswith("for Others")


def test_the_secret_never_reaches_the_browser(client):
    profile = DeidProfileFactory(name="Lung study")
    for page in ("", "edit/", "attributes/", "attributes.csv", "try/"):
        assert profile.secret not in client.get(f"/profiles/{profile.pk}/{page}").content.decode()


def test_the_attributes_are_filtered_by_text_and_action(client):
    profile = DeidProfileFactory(name="Lung study")
    url = f"/profiles/{profile.pk}/attributes/"
    everything = client.get(url)
    assert everything.context["total"] > 600
    found = client.get(url, {"search": "patient name", "action": "pseudonym"})
    assert [row.keyword for row, _ in found.context["rows"]] == ["PatientName"]
    assert "No attribute fits" in client.get(url, {"search": "\0zzz"}).content.decode()


def test_the_attributes_are_downloaded_with_formulas_as_text(client):
    evil = {"tag": "ImageComments", "action": "keep", "reason": '=HYPERLINK("http://x")'}
    profile = DeidProfileFactory(name="Lung study", own_rules=[evil])
    response = client.get(f"/profiles/{profile.pk}/attributes.csv")
    assert 'filename="attributes_lung-study_v1.csv"' in response["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert len(rows) > 600
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@")]


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "image_dfl.dcm"])
def test_a_profile_is_tried_on_an_uploaded_file(client, name):
    profile = DeidProfile.objects.get(name="Standard research")
    with sample(name).open("rb") as file:
        response = client.post(
            f"/profiles/{profile.pk}/try/", {"file": file, "pseudonym": "TRIED-1"}
        )
    assert response.status_code == 200
    rows = response.context["trial"].preview.rows
    named = {row.row.keyword: row for row in rows}
    assert named["PatientID"].row.after == "TRIED-1"
    assert named["PatientID"].status in ("changed", "new")
    assert {"changed", "kept"} <= {row.status for row in rows}
    assert AuditEntry.objects.filter(action="preview").exists()


def sample(name) -> Path:
    """One of pydicom's own test files."""
    return Path(str(get_testdata_file(name)))


def upload(client, name, content):
    profile = DeidProfile.objects.get(name="Standard research")
    file = io.BytesIO(content)
    file.name = name
    return client.post(f"/profiles/{profile.pk}/try/", {"file": file, "pseudonym": "A"})


@pytest.mark.parametrize(
    "content",
    [b"no DICOM at all", bytes(200), bytes(128) + b"DICM" + b"\xff" * 300],
    ids=["text", "zeros", "broken"],
)
def test_junk_is_refused_with_the_name_of_the_file(client, content):
    response = upload(client, "holiday.jpg", content)
    assert response.status_code == 422
    assert "holiday.jpg: this is no DICOM file" in text_of(response)


def test_a_truncated_file_is_refused(client):
    content = sample("CT_small.dcm").read_bytes()[:1000]
    response = upload(client, "half.dcm", content)
    assert response.status_code == 422
    assert "half.dcm: the file cannot be read" in text_of(response)


def test_a_profile_that_looks_like_another_is_not_made(manager):
    with pytest.raises(Conflict, match="There is a profile Standard research, whose name looks"):
        create_profile(manager, "Standаrd rеsearch", {}, [])


def test_a_file_beyond_the_limit_is_refused(client, settings):
    settings.PROFILE_TRIAL_MAX_MB = 1
    response = upload(client, "large.dcm", bytes(2 * 1024 * 1024))
    assert "large.dcm: the file is larger than 1 MB" in text_of(response)


PAGES = [
    ("get", "/profiles/"),
    ("get", "/profiles/new/"),
    ("post", "/profiles/new/"),
    ("get", "/profiles/{pk}/"),
    ("get", "/profiles/{pk}/edit/"),
    ("post", "/profiles/{pk}/edit/"),
    ("post", "/profiles/{pk}/active/"),
    ("post", "/profiles/{pk}/groups/"),
    ("get", "/profiles/{pk}/compare/"),
    ("get", "/profiles/{pk}/try/"),
    ("post", "/profiles/{pk}/try/"),
]


@pytest.mark.parametrize(("method", "url"), PAGES)
def test_only_those_with_the_permission_get_in(method, url):
    url = url.format(pk=DeidProfileFactory().pk)
    client = Client()
    answer = getattr(client, method)(url)
    assert answer.headers["Location"].startswith("/accounts/login/")
    for user in (UserFactory(), UserFactory(is_staff=True)):
        client.force_login(user)
        assert getattr(client, method)(url).status_code == 403


@pytest.mark.parametrize("page", ["attributes/", "attributes.csv"])
def test_the_attributes_are_for_those_who_may_use_the_profile(page, make_job):
    profile = DeidProfileFactory()
    member, stranger = UserFactory(), UserFactory()
    profile.groups.add(member.active_group)
    url, client = f"/profiles/{profile.pk}/{page}", Client()
    assert client.get(url).headers["Location"].startswith("/accounts/login/")
    client.force_login(member)
    assert client.get(url).status_code == 200
    client.force_login(stranger)
    assert client.get(url).status_code == 404
    # Who has used it may read on what it did, and staff may in any case.
    job = make_job(stranger)
    SelectiveTransferJob.objects.filter(pk=job.pk).update(profile=profile)
    assert client.get(url).status_code == 200
    client.force_login(UserFactory(is_staff=True))
    assert client.get(url).status_code == 200


def test_the_menu_shows_profiles_to_those_who_manage_them(client):
    assert 'href="/profiles/"' in client.get("/").content.decode()
    other = Client()
    other.force_login(UserFactory(is_staff=True))
    assert 'href="/profiles/"' not in other.get("/").content.decode()
