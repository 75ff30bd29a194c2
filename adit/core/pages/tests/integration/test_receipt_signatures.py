"""Receipts that are signed, and what is found when they are changed."""

import csv
import io
import json
import zlib
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from adit.core.models import DicomTask, SeriesTransfer
from adit.core.pages.receipt_fonts import runs
from adit.core.pages.receipt_verification import verify
from adit.selective_transfer.models import SelectiveTransferTask

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

FORMS = ("json", "csv", "pdf")
SOURCE = ("1.2.3.1", "PID1", "Description of the source")


@pytest.fixture
def task(owner, make_job, make_ledger):
    task = make_job(owner, "SUCCESS", ["SUCCESS"]).tasks.get()
    make_ledger(task)
    return task


@pytest.fixture
def reader(owner):
    owner.user_permissions.add(Permission.objects.get(codename="view_identifiers_in_receipts"))
    return type(owner).objects.get(pk=owner.pk)


def fetch(user, name, pk) -> bytes:
    client = Client()
    client.force_login(user)
    response = client.get(reverse(f"core:{name}", args=[pk]))
    assert response.status_code == 200
    return response.getvalue()


def all_of(user, task):
    for form in FORMS:
        yield form, fetch(user, f"task_receipt_{form}", task.pk)
        yield form, fetch(user, f"job_receipt_{form}", task.job_id)


def test_every_receipt_is_valid_as_it_is_downloaded(owner, task):
    for form, data in all_of(owner, task):
        verdict = verify(data)
        assert verdict.result == "valid", (form, verdict)
        assert "2 of 2 instances confirmed" in verdict.reason


def test_a_valid_receipt_stays_valid_when_the_job_goes_on_or_away(owner, task):
    receipts = list(all_of(owner, task))
    SeriesTransfer.objects.all().delete()
    DicomTask.objects.filter(pk=task.pk).update(state="FAILURE")
    assert {verify(data).result for _, data in receipts} == {"valid"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["task", "job"])
def test_any_changed_digit_is_found(form, kind, owner, task):
    data = fetch(owner, f"{kind}_receipt_{form}", task.pk if kind == "task" else task.job_id)
    digits = [i for i, byte in enumerate(data) if chr(byte).isdigit()]
    step = max(1, len(digits) // 60)
    for place in digits[::step]:
        changed = bytearray(data)
        changed[place] = ord("7") if chr(changed[place]) != "7" else ord("3")
        assert verify(bytes(changed)).result != "valid", data[max(0, place - 40) : place + 20]


def test_a_changed_size_is_named_in_json(owner, task):
    receipt = json.loads(fetch(owner, "task_receipt_json", task.pk))
    receipt["series"][0]["instances"][1]["size"] = 6
    verdict = verify(json.dumps(receipt).encode())
    assert verdict.result == "changed"
    assert verdict.differences == ["series 1, instances 2, size: it says 6, recorded is 5."]


def test_json_that_was_only_laid_out_anew_is_valid(owner, task):
    receipt = json.loads(fetch(owner, "task_receipt_json", task.pk))
    assert verify(json.dumps(receipt, sort_keys=True, indent=7).encode()).result == "valid"


def test_a_series_that_was_taken_out_is_named(owner, task):
    receipt = json.loads(fetch(owner, "task_receipt_json", task.pk))
    receipt["series"].pop()
    assert verify(json.dumps(receipt).encode()).differences == ["series 1 is missing."]


def test_a_changed_cell_is_named_in_csv(owner, task):
    text = fetch(owner, "task_receipt_csv", task.pk).decode()
    assert text.count(",5,") == 2
    head, _, rest = text.partition(",5,")
    verdict = verify(f"{head},6,{rest}".encode())
    assert verdict.result == "changed"
    assert verdict.differences == ["Row 1, size: it says '6', recorded is '5'."]


def test_a_row_that_was_taken_out_of_a_csv_is_found(owner, task):
    lines = fetch(owner, "task_receipt_csv", task.pk).decode().splitlines(keepends=True)
    del lines[2]
    assert verify("".join(lines).encode()).result == "changed"


def test_a_changed_figure_on_a_page_of_a_pdf_is_named(owner, task):
    data = fetch(owner, "task_receipt_pdf", task.pk)
    assert b"2 of 2 instances confirmed" in data
    place = data.rindex(b"2 of 2 instances confirmed")
    verdict = verify(data[:place] + b"9" + data[place + 1 :])
    assert verdict.result == "changed"
    assert "9 of 2 instances" in verdict.differences[0]
    assert "signed was" in verdict.differences[0]


def test_a_pdf_without_its_signature_line_is_not_valid(owner, task):
    data = fetch(owner, "task_receipt_pdf", task.pk)
    verdict = verify(data[: data.rindex(b"% adit-receipt")])
    assert verdict.result == "changed"
    assert "signature line is gone" in verdict.reason


def test_the_printed_code_is_the_signature_of_the_receipt(owner, task):
    data = fetch(owner, "task_receipt_pdf", task.pk)
    start = data.index(b"{\n", data.index(b"/EmbeddedFile"))
    receipt = json.loads(data[start : data.index(b"endstream", start)])
    value = receipt["signature"]["value"]
    code = " ".join(value[i : i + 8] for i in range(0, 64, 8))
    assert f"(Code {code})".encode() in data


@pytest.mark.parametrize("data", [b"", b"{}", b"%PDF-1.4 foreign", b"\xff\xfe\x00", b"a,b\n1,2\n"])
def test_what_is_no_receipt_is_unknown(data):
    assert verify(data).result == "unknown"


def test_a_receipt_of_another_installation_is_unknown(owner, task, settings):
    receipts = list(all_of(owner, task))
    settings.SECRET_KEY = "another secret key of another place"
    assert {verify(data).result for _, data in receipts} == {"unknown"}
    settings.SECRET_KEY_FALLBACKS = ["adit"]


def test_a_former_key_still_verifies(owner, task, settings):
    data = fetch(owner, "task_receipt_json", task.pk)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the new key"
    assert verify(data).result == "valid"


def test_source_identifiers_are_only_for_those_with_the_permission(owner, task):
    for form, data in all_of(owner, task):
        for text in SOURCE:
            assert text.encode() not in data, (form, text)
        assert b"aa" * 32 not in data


def test_with_the_permission_they_are_there_and_signed(reader, task):
    for form in FORMS:
        data = fetch(reader, f"task_receipt_{form}", task.pk)
        for text in SOURCE:
            assert text.encode() in data, (form, text)
        assert verify(data).result == "valid"


def test_a_stranger_gets_no_receipt(stranger, task):
    client = Client()
    client.force_login(stranger)
    for kind, pk in (("task", task.pk), ("job", task.job_id)):
        for form in FORMS:
            url = reverse(f"core:{kind}_receipt_{form}", args=[pk])
            assert client.get(url).status_code == 404


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "#receipt"])
def test_no_cell_is_a_formula(text, reader, task):
    SeriesTransfer.objects.filter(task=task).update(description=text)
    data = fetch(reader, "task_receipt_csv", task.pk)
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    column = rows[0].index("description")
    assert {row[column] for row in rows[1:-2]} == {"'" + text}
    assert verify(data).result == "valid"


@pytest.mark.parametrize(
    "text", ["Jörg Müller", "Яна Петрова", "山田 太郎", "홍길동", "Ünlü Şahin"]
)
def test_names_of_other_scripts_are_set_in_a_font_that_has_them(text, owner, make_job, make_ledger):
    job = make_job(owner, "SUCCESS", ["SUCCESS"], pseudonym=text)
    make_ledger(job.tasks.get())
    data = fetch(owner, "job_receipt_pdf", job.pk)
    assert verify(data).result == "valid"
    assert "[U+" not in "".join(piece for _, piece in runs(text, "Vera"))


def test_a_script_without_a_font_is_written_as_code_points():
    assert "".join(piece for _, piece in runs("م", "Vera")) == "[U+0645]"


def test_the_command_says_what_it_found(owner, task, tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    data = fetch(owner, "task_receipt_json", task.pk)
    good.write_bytes(data)
    bad.write_bytes(data.replace(b'"size": 5', b'"size": 6', 1))
    out = StringIO()
    call_command("verify_receipt", good, stdout=out)
    assert "good.json: valid." in out.getvalue()
    with pytest.raises(CommandError, match="1 of 2 files are not valid"):
        call_command("verify_receipt", good, bad, stdout=out)
    assert "size: it says 6, recorded is 5." in out.getvalue()


def test_a_job_of_many_tasks_is_sent_in_pieces(owner, make_job, make_ledger):
    job = make_job(owner, "SUCCESS", ["SUCCESS"] * 450)
    for one in SelectiveTransferTask.objects.filter(job=job):
        make_ledger(one)
    receipt = json.loads(fetch(owner, "job_receipt_json", job.pk))
    assert [one["line"] for one in receipt["tasks"]] == list(range(1, 451))
    assert receipt["totals"]["confirmed"] == 900
    for form in FORMS:
        assert verify(fetch(owner, f"job_receipt_{form}", job.pk)).result == "valid"


def test_the_texts_of_a_pdf_are_not_compressed_away(owner, task):
    """A reader of the bytes finds what is printed; nothing has to be inflated."""
    data = fetch(owner, "task_receipt_pdf", task.pk)
    with pytest.raises(zlib.error):
        zlib.decompress(data)
    assert b"Receipt of task 1" in data


def test_a_key_that_stands_twice_in_json_is_found(owner, task):
    """A reader sees the first, a program takes the last."""
    text = fetch(owner, "task_receipt_json", task.pk).decode()
    place = text.index('  "statement"')
    forged = text[:place] + '  "statement": "9 of 9 instances confirmed at HELL",\n' + text[place:]
    verdict = verify(forged.encode())
    assert verdict.result == "changed"
    assert "statement" in verdict.differences[0]


@pytest.mark.parametrize(
    "added", [{"note": "9 of 9 instances confirmed"}, {"Value": "0"}, {"series": []}, {"": {}}]
)
def test_what_was_added_to_the_signature_in_json_is_told(added, owner, task):
    receipt = json.loads(fetch(owner, "task_receipt_json", task.pk))
    receipt["signature"] |= added
    verdict = verify(json.dumps(receipt).encode())
    (name,) = added
    assert verdict.result == "changed"
    assert verdict.differences == [f"signature, {name}: it was added."]


@pytest.mark.parametrize("line", ["#note,9 of 9 instances confirmed\r\n", "# \r\n"])
@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_remark_that_was_added_to_a_csv_is_found(line, place, owner, task):
    lines = fetch(owner, "task_receipt_csv", task.pk).decode().splitlines(keepends=True)
    lines.insert(place, line)
    assert verify("".join(lines).encode()).result == "changed"


def test_what_was_added_behind_a_pdf_is_found(owner, task):
    """An incremental update shows other pages than those that were signed."""
    data = fetch(owner, "task_receipt_pdf", task.pk)
    verdict = verify(data + b"1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n")
    assert verdict.result == "changed"
    assert "after its signature" in verdict.reason


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":' * 200_000,
        b'{"format": "adit-receipt", "task": ' + b"9" * 5000 + b"}",
        b'#receipt,"[1]"\r\n#signature,a,b,c\r\n',
        b"#receipt," + b"x" * 200_000 + b"\r\n",
        b"\xef\xbb\xbf",
        b"%PDF-1.4\n% adit-receipt-signature 1 \xff\xfe \xff\n",
    ],
    ids=["deep", "long number", "list for a head", "long cell", "mark only", "binary signature"],
)
def test_hostile_files_get_an_answer(data):
    assert verify(data).result in ("unknown", "changed")


def test_a_head_that_is_no_object_in_a_csv_is_told(owner, task):
    text = fetch(owner, "task_receipt_csv", task.pk).decode()
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("#receipt")]
    assert verify("".join([*lines, "#receipt,[1]\r\n"]).encode()).result == "changed"


def test_items_that_became_text_are_found(owner, make_job):
    job = make_job(owner, "SUCCESS", ["SUCCESS"])
    receipt = json.loads(fetch(owner, "task_receipt_json", job.tasks.get().pk))
    assert receipt["series"] == []
    receipt["series"] = "twelve series, all confirmed"
    assert verify(json.dumps(receipt).encode()).result == "changed"


def test_half_a_character_in_a_signature_is_a_change_and_no_crash(owner, task):
    receipt = json.loads(fetch(owner, "task_receipt_json", task.pk))
    receipt["signature"]["value"] = "\ud800"
    assert verify(json.dumps(receipt).encode()).result == "changed"
