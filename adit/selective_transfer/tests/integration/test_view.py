"""The page and what it posts."""

import html
import re
from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from adit.core.dicom import DicomOperator, Query
from adit.core.factories import DeidProfileFactory, GroupFactory, grant_access
from adit.core.models import DicomNode
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask
from adit.selective_transfer.studies import series_at, study_at
from adit.selective_transfer.tokens import sign_series, sign_study

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

URL = "/selective-transfer/"


@pytest.fixture
def user(make_user, source):
    return make_user(source)


@pytest.fixture
def client(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def found(source):
    """All studies at the source by patient ID, as a search gives them."""
    studies = {}
    with DicomOperator(source.to_config()) as operator:
        for result in operator.find_studies(Query(patient_id="100*")):
            study = study_at(source.pk, source.name, result)
            studies.setdefault(study.patient_id, []).append(study)
    return studies


@pytest.fixture
def fields(folder):
    def make(studies, *pseudonyms, user, **changes):
        names = dict.fromkeys(f"pseudonym-{study.patient_key}" for study in studies)
        return {
            "study": [sign_study(user.pk, study) for study in studies],
            "destination": folder.pk,
            **dict(zip(names, pseudonyms, strict=False)),
            **changes,
        }

    return make


def errors(response) -> str:
    assert response.status_code == 422, response.status_code
    return html.unescape(re.sub(r"<[^>]+>", "", response.content.decode()))


def test_address(client):
    assert reverse("selective_transfer:form") == URL
    response = client.get(URL)
    assert response.status_code == 200
    assert "style=" not in response.content.decode()


def test_others_are_kept_out(make_user, source):
    client = Client()
    assert client.get(URL).headers["Location"].startswith("/accounts/login/")
    assert client.post(URL).headers["Location"].startswith("/accounts/login/")
    client.force_login(make_user(source, rights=["query_dicom_server"]))
    assert client.get(URL).status_code == 403
    assert client.post(URL).status_code == 403
    assert client.post(URL + "basket/").status_code == 403


def test_tokens_become_a_job(client, user, found, fields, source, profile):
    studies = [*found["1001"], *found["1002"]]
    response = client.post(
        URL,
        fields(
            studies, "PSEUDO1", "PSEUDO2", user=user, trial_protocol_id="T1", profile=profile.pk
        ),
    )
    job = SelectiveTransferJob.objects.get()
    assert response.headers["Location"] == job.get_absolute_url()
    assert (job.profile, job.trial_protocol_id, job.state) == (profile, "T1", "PENDING")
    tasks = SelectiveTransferTask.objects.order_by("line")
    assert [task.pseudonym for task in tasks] == ["PSEUDO1", "PSEUDO1", "PSEUDO2"]
    assert tasks[0].source_id == source.pk
    assert tasks[0].patient_id == "1001"
    assert tasks[0].study_date == studies[0].study_date
    assert tasks[0].modalities == list(studies[0].modalities)
    user.refresh_from_db()
    assert user.preferences["selective_transfer"]["profile"] == profile.pk


def test_single_series(client, user, found, fields, source):
    study = next(study for study in found["1001"] if study.series == 2)
    with DicomOperator(source.to_config()) as operator:
        query = Query(patient_id="1001", study_instance_uid=study.study_instance_uid)
        series = series_at(study, next(operator.find_series(query)))
    data = fields([study], "PSEUDO1", user=user)
    client.post(URL, {**data, "series": [sign_series(user.pk, series)]})
    task = SelectiveTransferTask.objects.get()
    assert task.series_instance_uids == [series.series_instance_uid]


def test_every_source_of_a_basket_is_the_source_of_its_task(
    client, user, found, fields, double_source
):
    study = found["1002"][0]
    other = replace(study, source_id=double_source.pk, source_name="DOUBLE")
    data = fields([study, other], "PSEUDO1", user=user)
    assert "may not read from this source" in html.unescape(client.post(URL, data).content.decode())
    assert not SelectiveTransferJob.objects.exists()
    grant_access(user.active_group, double_source, source=True)
    assert client.post(URL, data).status_code == 302
    sources = set(SelectiveTransferTask.objects.values_list("source__name", flat=True))
    assert sources == {"ORTHANC1", "DOUBLE"}


def test_errors_keep_the_basket(client, user, found, fields):
    study = found["1001"][0]
    data = fields([study], user=user)
    response = client.post(URL, data)
    assert "A pseudonym is needed" in errors(response)
    assert data["study"][0] in html.unescape(response.content.decode())
    assert not SelectiveTransferJob.objects.exists()


@pytest.mark.parametrize("pseudonym", ["a\\b", "a^b", "a*", "x" * 65, "1001"])
def test_bad_pseudonyms_are_refused(client, user, found, fields, pseudonym):
    assert client.post(URL, fields(found["1001"], pseudonym, user=user)).status_code == 422


def test_forged_and_foreign_tokens_are_refused(client, user, found, fields, make_user):
    other = make_user()
    data = fields(found["1001"], "PSEUDO1", user=other)
    assert "Another user searched for it" in errors(client.post(URL, data))
    data["study"] = ["forged"]
    assert "did not come from a search" in errors(client.post(URL, data))
    assert "basket is empty" in errors(client.post(URL, {"destination": data["destination"]}))


def test_without_pseudonym_only_with_the_permission(make_user, source, found, fields):
    user = make_user(
        source,
        rights=["add_selectivetransferjob", "query_dicom_server", "can_transfer_unpseudonymized"],
    )
    client = Client()
    client.force_login(user)
    studies = [*found["1001"], *found["1002"]]
    assert "Some patients" in errors(client.post(URL, fields(studies, "PSEUDO1", user=user)))
    assert client.post(URL, fields(studies, user=user)).status_code == 302
    assert SelectiveTransferJob.objects.get().profile is None


def test_urgent_needs_a_permission(client, user, found, fields, make_user, source):
    data = fields(found["1001"], "PSEUDO1", user=user, urgent="on")
    assert client.post(URL, data).status_code == 302
    assert not SelectiveTransferJob.objects.get().urgent


def test_staff_needs_no_permission_for_urgent(client, user, found, fields):
    type(user).objects.filter(pk=user.pk).update(is_staff=True)
    data = fields(found["1001"], "PSEUDO1", user=user, urgent="on")
    assert client.post(URL, data).status_code == 302
    assert SelectiveTransferJob.objects.get().urgent


def test_limit_for_those_who_are_not_staff(client, user, found, fields, settings):
    settings.SELECTIVE_TRANSFER_MAX_STUDIES = 1
    data = fields(found["1001"], "PSEUDO1", user=user)
    assert "1 studies at most" in errors(client.post(URL, data))
    type(user).objects.filter(pk=user.pk).update(is_staff=True)
    assert client.post(URL, data).status_code == 302


def test_unverified_where_jobs_are_to_be_verified(client, user, found, fields, settings):
    settings.SELECTIVE_TRANSFER_UNVERIFIED = True
    client.post(URL, fields(found["1001"], "PSEUDO1", user=user))
    assert SelectiveTransferJob.objects.get().state == "UNVERIFIED"


def test_destination_of_another_group_is_refused(client, user, found, fields, source):
    data = fields(found["1001"], "PSEUDO1", user=user, destination=source.pk)
    assert "may not write to this destination" in errors(client.post(URL, data))


def test_basket_shows_warnings_about_earlier_transfers(client, user, found, fields, make_user):
    client.post(URL, fields(found["1001"], "PSEUDO1", user=user))
    page = client.post(URL + "basket/", fields(found["1001"], "OTHER", user=user))
    assert "transferred earlier under the pseudonym PSEUDO1" in page.content.decode()
    page = client.post(URL + "basket/", fields(found["1002"], "PSEUDO1", user=user))
    assert "stood for another patient" in page.content.decode()
    colleague = make_user(*DicomNode.objects.filter(name="ORTHANC1"))
    client.force_login(colleague)
    page = client.post(URL + "basket/", fields(found["1001"], "OTHER", user=colleague))
    assert "transferred earlier under another pseudonym" in page.content.decode()


def test_basket_does_not_complain_of_what_is_not_typed_yet(client, user, found, fields):
    page = client.post(URL + "basket/", fields(found["1001"], user=user)).content.decode()
    assert "note-error" not in page and "field-error" not in page
    assert "2 studies of 1 patient" in page
    assert not SelectiveTransferJob.objects.exists()


class TestPlainFields:
    """Scripts name the study by its identifiers."""

    @pytest.fixture
    def plain(self, found):
        study = next(study for study in found["1001"] if study.series == 2)
        return {
            "source": "ORTHANC1",
            "destination": "Research",
            "patient_id": "1001",
            "study_instance_uid": study.study_instance_uid,
            "pseudonym": "PSEUDO1",
        }

    def test_study_is_looked_up(self, client, plain, profile):
        response = client.post(URL, plain)
        task = SelectiveTransferTask.objects.get()
        assert response.headers["Location"] == f"/jobs/{task.job_id}/"
        assert (task.pseudonym, task.modalities) == ("PSEUDO1", ["MR"])
        assert task.study_description == "MRT Schädel"
        assert SelectiveTransferJob.objects.get().profile == profile

    def test_series(self, client, plain, source):
        with DicomOperator(source.to_config()) as operator:
            query = Query(study_instance_uid=plain["study_instance_uid"], patient_id="1001")
            uids = [one.series_instance_uid for one in operator.find_series(query)]
        client.post(URL, {**plain, "series_instance_uids": ",".join(uids), "profile": ""})
        client.post(URL, {**plain, "series_instance_uids": uids})
        task = SelectiveTransferTask.objects.get()
        assert sorted(task.series_instance_uids) == sorted(uids)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"patient_id": "1002"}, "holds no such study of this patient"),
            ({"patient_id": "*"}, "Wildcards"),
            ({"study_instance_uid": "1.2.*"}, "no UID"),
            ({"study_instance_uid": "1.2.3"}, "holds no such study"),
            ({"series_instance_uids": "1.2.3"}, "holds no such series"),
            ({"source": "NOWHERE"}, "may not read from this source"),
            ({"destination": "NOWHERE"}, "may not write to this destination"),
            ({"profile": "Unknown"}, "may not use this profile"),
            ({"pseudonym": ""}, "A pseudonym is needed"),
        ],
    )
    def test_errors_in_words(self, client, plain, changes, words):
        assert words in errors(client.post(URL, plain | changes))
        assert not SelectiveTransferJob.objects.exists()

    def test_no_other_profile_stands_in_for_the_default(self, client, plain, profile, user):
        profile.groups.add(GroupFactory())
        other = DeidProfileFactory(name="AAA keeps the dates")
        other.groups.add(user.active_group)
        said = errors(client.post(URL, plain))
        assert f'may not use the default one, "{profile.name}"' in said
        assert not SelectiveTransferJob.objects.exists()
        page = client.get(URL).content.decode()
        assert "Choose a profile" in page and other.name in page
        client.post(URL, {**plain, "profile": other.name})
        assert SelectiveTransferJob.objects.get().profile == other

    def test_dead_source(self, client, plain, source):
        type(source).objects.filter(pk=source.pk).update(port=1)
        assert "ORTHANC1" in errors(client.post(URL, plain))


@pytest.mark.parametrize("name", ["\x00", "9" * 5000, "-1", "no such node"])
@pytest.mark.parametrize("field", ["destination", "profile"])
def test_odd_choices_are_refused_in_words(field, name, client, user, found, fields):
    data = fields(found["1001"], "PSEUDO1", user=user, **{field: name})
    assert client.post(URL, data).status_code == 422
