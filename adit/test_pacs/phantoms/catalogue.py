"""Who and what the example studies are: patients, their studies, the series in them.

The people are made up. Their names carry umlauts, Cyrillic, Greek, Japanese, Korean and Chinese
letters, each in the character set that a PACS of that region sends (PS3.3 C.12.1.1.2).
"""

from datetime import date, time

from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from .plans import Patient, Series, Study


def _ct_head(instances: int = 24) -> Series:
    return Series(subject="head", modality="CT", description="Head 5.0 H31s", instances=instances)


PATIENTS: tuple[Patient, ...] = (
    Patient(
        patient_id="1001",
        name="Müller^Jörg",
        born=date(1958, 3, 14),
        sex="M",
        address="Blumenstraße 12, 69120 Heidelberg",
        physician="Schäfer^Käthe^^Dr.",
        comments="Allergic to iodine, phone +49 6221 555 0101",
        studies=(
            Study(
                number="A",
                day=date(2023, 5, 4),
                at=time(8, 15, 30, 250000),
                description="CT Schädel nativ",
                body_part="HEAD",
                series=(_ct_head(),),
            ),
            Study(
                number="B",
                day=date(2024, 1, 17),
                at=time(12, 0, 0),
                description="MRT Schädel",
                body_part="HEAD",
                series=(
                    Series(subject="t1", modality="MR", description="t1_se_tra", instances=20),
                    Series(subject="t2", modality="MR", description="t2_tse_tra", instances=20),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1002",
        name="Öztürk^Ayşe",
        born=date(1984, 11, 2),
        sex="F",
        character_set="ISO_IR 192",
        address="Gül Sokağı 7, İzmir",
        comments="Ağrı sol tarafta",
        studies=(
            Study(
                number="A",
                day=date(2022, 12, 31),
                at=time(23, 59, 59),
                description="MR Lumbar spine",
                body_part="LSPINE",
                series=(
                    Series(subject="spine", modality="MR", description="t2_tse_sag", instances=15),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1003",
        name="Иванов^Пётр",
        born=date(1971, 7, 23),
        sex="M",
        character_set="ISO_IR 144",
        address="ул. Ленина 5, Тверь",
        physician="Смирнова^Анна",
        studies=(
            Study(
                number="A",
                day=date(2023, 8, 9),
                at=time(10, 42, 7),
                description="CT Chest",
                body_part="CHEST",
                series=(
                    Series(
                        subject="chest",
                        modality="CT",
                        description="Thorax 5.0 B31f",
                        instances=30,
                        contrast="Iomeprol 400",
                    ),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1004",
        name="Yamada^Tarou=山田^太郎=やまだ^たろう",
        born=date(1949, 1, 1),
        sex="M",
        character_set=("", "ISO 2022 IR 87"),
        address="東京都千代田区",
        studies=(
            Study(
                number="A",
                day=date(2024, 2, 29),
                at=time(9, 5, 0),
                description="MR Brain",
                body_part="BRAIN",
                series=(
                    Series(subject="t2", modality="MR", description="T2 FLAIR", instances=18),
                    Series(
                        subject="t1",
                        modality="MR",
                        description="T1 3D",
                        instances=18,
                        syntax=ImplicitVRLittleEndian,
                    ),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1005",
        name="Smith^John^Adam^Dr.^Jr.",
        born=date(1990, 6, 30),
        sex="M",
        character_set="ISO_IR 6",
        address="221B Baker Street, London",
        comments="VIP",
        studies=tuple(
            Study(
                number=number,
                day=day,
                at=time(7, 30, 0),
                description="Chest PA",
                body_part="CHEST",
                series=(Series(subject="radiograph", modality="CR", description="PA", edge=1024),),
            )
            for number, day in (("A", date(2021, 3, 1)), ("B", date(2022, 3, 1)))
        ),
    ),
    Patient(
        patient_id="1006",
        name="García Núñez^María José",
        born=date(1996, 9, 17),
        sex="F",
        comments="Embarazo, semana 24",
        studies=(
            Study(
                number="A",
                day=date(2023, 11, 11),
                at=time(11, 11, 11),
                description="US Abdomen",
                body_part="ABDOMEN",
                series=(
                    Series(subject="sonogram", modality="US", description="Still", instances=6),
                    Series(subject="cine", modality="US", description="Cine", instances=1),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1007",
        name="Wang^XiaoDong=王^小东",
        born=date(1965, 10, 10),
        sex="M",
        character_set="GB18030",
        address="北京市海淀区",
        studies=(
            Study(
                number="A",
                day=date(2024, 6, 18),
                at=time(14, 20, 0),
                description="Echocardiography",
                body_part="HEART",
                series=(
                    Series(
                        subject="cine",
                        modality="US",
                        description="Four chamber",
                        instances=2,
                        syntax=RLELossless,
                    ),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1008",
        name="Ångström^Åsa",
        born=date(1977, 4, 25),
        sex="F",
        address="Storgatan 1, Umeå",
        comments="Follow-up after lobectomy",
        studies=(
            Study(
                number="A",
                day=date(2024, 9, 3),
                at=time(16, 45, 12),
                description="CT Chest/Abdomen staging",
                body_part="CHEST",
                series=(
                    Series(
                        subject="chest",
                        modality="CT",
                        description="Thorax 1.0 B70f",
                        instances=180,
                        edge=160,
                        contrast="Iohexol 350",
                    ),
                    Series(
                        subject="chest",
                        modality="CT",
                        description="Thorax 5.0 B31f",
                        instances=48,
                        edge=160,
                        contrast="Iohexol 350",
                    ),
                    Series(
                        subject="abdomen",
                        modality="CT",
                        description="Abdomen 3.0 B30f",
                        instances=84,
                        edge=160,
                        contrast="Iohexol 350",
                    ),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1009",
        name="O'Neill^Siobhán",
        born=date(2015, 12, 24),
        sex="F",
        address="4 Quay Street, Galway",
        studies=(
            Study(
                number="A",
                day=date(2024, 4, 1),
                at=time(13, 37, 0),
                description="MR Head, compressed",
                body_part="HEAD",
                series=(
                    Series(
                        subject="t1",
                        modality="MR",
                        description="T1 JPEG 2000",
                        instances=10,
                        syntax=JPEG2000Lossless,
                    ),
                    Series(
                        subject="t2",
                        modality="MR",
                        description="T2 RLE",
                        instances=10,
                        syntax=RLELossless,
                    ),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1010",
        name="Schröder-Weiß^Änne",
        born=date(1938, 2, 11),
        sex="F",
        address="Am Neckar 3, 72070 Tübingen",
        physician="Groß^Jürgen^^Prof.",
        comments="Lives with daughter Grete Schröder",
        studies=(
            Study(
                number="A",
                day=date(2023, 2, 28),
                at=time(15, 3, 0),
                description="CT Schädel mit Befund",
                body_part="HEAD",
                series=(
                    _ct_head(16),
                    Series(subject="report", modality="SR", description="Befund"),
                    Series(subject="letter", modality="DOC", description="Arztbrief"),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1011",
        name="Παπαδόπουλος^Γιώργος",
        born=date(1960, 8, 15),
        sex="M",
        character_set="ISO_IR 126",
        studies=(
            Study(
                number="A",
                day=date(2022, 5, 5),
                at=time(9, 0, 0),
                description="Chest AP bedside",
                body_part="CHEST",
                series=(
                    Series(
                        subject="radiograph",
                        modality="CR",
                        description="AP",
                        edge=512,
                        syntax=RLELossless,
                    ),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1012",
        name="Doe^Jane",
        born=None,
        sex="",
        character_set="",
        physician="",
        studies=(
            Study(
                number="A",
                day=None,
                at=None,
                description=None,
                accession_number=None,
                series=(Series(subject="head", modality="CT", instances=4, edge=128),),
            ),
            Study(
                number="B",
                day=date(2020, 1, 2),
                at=None,
                description="",
                accession_number=None,
                series=(Series(subject="sonogram", modality="US", instances=2),),
            ),
        ),
    ),
    Patient(
        patient_id="1013",
        name="Hong^Gildong=洪^吉洞=홍^길동",
        born=date(1988, 10, 9),
        sex="M",
        character_set=("", "ISO 2022 IR 149"),
        studies=(
            Study(
                number="A",
                day=date(2024, 10, 9),
                at=time(10, 10, 10),
                description="CT Abdomen",
                body_part="ABDOMEN",
                series=(
                    Series(
                        subject="abdomen",
                        modality="CT",
                        description="Abdomen 5.0 B30f",
                        instances=20,
                        contrast="Iopromide 370",
                    ),
                ),
            ),
        ),
    ),
    Patient(
        patient_id="1014",
        name="Nguyễn^Thị Hoa",
        born=date(2001, 5, 5),
        sex="F",
        character_set="ISO_IR 192",
        address="12 Phố Huế, Hà Nội",
        studies=(
            Study(
                number="A",
                day=date(2024, 11, 20),
                at=time(12, 0, 0),
                description="CT Head and chest film",
                body_part="HEAD",
                series=(
                    Series(subject="head", modality="CT", description="Head", instances=12),
                    Series(subject="radiograph", modality="CR", description="AP", edge=512),
                ),
            ),
        ),
    ),
)
