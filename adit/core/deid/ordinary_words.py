"""Words that stand in descriptions of any hospital: none of them tells which one it is.

Institutions are called after what they treat (`Kopfklinik`, `Chest Center`), and descriptions speak
of the same. What is no ordinary word in a name tells the institution by itself (`Charité`).
"""

from __future__ import annotations

import re

from pydicom._dicom_dict import DicomDictionary

from .folding import fold

_OF_HOSPITALS = """
abteilung academic academisch acute akademisches allgemeines ambulant ambulanz ambulatory
associates azienda campus care centers center central centrale centre centro centrum chirurgie
city clinic clinica clinical clinics clinique college community county department departement
departamento diagnostic diagnostics diagnostik diagnostisch diagnostische diagnostique dienst
district division doctors emergency evangelisches facility faculty fachklinik foundation
gemeinschaftspraxis general group groupe haus health healthcare hopital hospice hospital
hospitalier hospitals house imaging imagerie innere institut institute institution instituto
interventional isolierstation kantonsspital katholisches klinik kliniken klinikum klinische
krankenhaus kreiskrankenhaus lehrkrankenhaus medical medicine medico medizin medizinische
medizinisches national nationale notaufnahme nuclear nuklear nuklearmedizin ospedale outpatient
partners patienten physicians poliklinik polyclinic praxis private privatklinik public radiologia
radiological radiologie radiologische radiologisches radiology regional research rontgen roentgen
sanatorium sankt saint santa school science sciences service services spital spitaler stadt
stadtisches state station surgery surgical system teaching trust uniklinik uniklinikum unispital
unit united universidad universitaire universitaets universitair universitat universitats
universitatsklinik universitatsklinikum universitatsmedizin universitatsspital universite
universities university veterans versorgungszentrum zentral zentrale zentralkrankenhaus zentrum
ziekenhuis strasse street avenue road platz allee germany deutschland
"""
_OF_THE_BODY = """
abdomen abdominal ankle aorta aortic arms arterie arteries artery auge augen bauch bein beine
becken beckenboden biliary bladder blase blood bone bones bowel brain breast bronchial brust
brustkorb cardiac cardiaque cardio cardiology cardiovascular carotid cerebral cerveau cervical
chest child children children's coeur colon corazon corporal coronary cranial darm dental dentaire
dickdarm ear elbow ellenbogen enfant esophagus extremitat extremitaten eye eyes face femoral femur
fetal finger foot forearm fuss galle gallenblase gefaess gefass gehirn gelenk gelenke genou
gesicht gland gyneco haende hals hand hands hart head heart hepatic herz herzen hersenen hips hirn
hufte huefte infant intestine jaw joint joints kardio kidney kidneys kiefer kinder knee knees knie
knochen knochel kopf koronar korper larynx leber legs lendenwirbel ligament limb liver lombaire
lumbal lumbar lunge lungen lungs lymph magen mamma mammo mediastinum milz mouth mund muscle muskel
nacken nase neck nerve neuro neurology niere nieren nose oberarm oberbauch oberschenkel ohren
orbit orbita organ orthopedic orthopaedic osteo ovary pancreas paediatric pediatric pelvic pelvis
penis pied plexus poumon prostata prostate pulmonary rachis rectum renal ribs rippen rucken
ruecken rumpf sacrum scalp schadel schaedel schulter shoulder sinus skelett skull spinal spine
spleen stomach sternum tete thigh thorax throat thyroid tibia toes tongue tooth trachea trauma
unterarm unterbauch unterschenkel uterus vascular vaskular vein venen venous vertebra wirbel
wirbelsaule wirbelsaeule woman women women's wrist zahn zaehne zahne
"""
_OF_EXAMINATIONS = """
after akut angio angiographie angiography arthro arthrographie axial barium before biopsie biopsy
bild bilder blank calibration cine computed contrast control dark diffusion digital doppler
drainage dual dynamic echo elective emission exam examination first follow fluoro follow-up fusion
gating guide guided high image images intervention kontrast kontrolle left limited links localizer
lower magnetic magnetresonanz mammographie mammography mapping marker mean measurement mini mobile
mobil model morph motion multi nativ native needle nord north oblique oncology onkologie open ost
east overview park perfusion phantom phase planning plain portable portal positron post prae pre
preop postop primary protocol prone pulse quality quick rapid rechts recon reference right routine
sagittal scan scanner scout screening second sequence series short side single small soft sonic
south standard static stereo stress study sud sued suite supine table test tomographie tomography
total tracking transfer tumor tumour ultrasound upper ultraschall verlauf view vorher volume wand
water weight west whole with without xray zweit
"""

_SHORT_ONES = """
ct mr us nm pt cr dx dr mg rf xa io ot op sc sr pr ko gm sm es bi rt mrt mri cta mra ctp pet
dti dwi adc swi asl bold mip mpr vrt svd tof tse fse gre epi ssfp fle fsl irm tdm scn eeg ecg
ekg oct opt ivus ust sono dsa dsa cbct rx px iop kub cxr us3 tte tee ivp ercp
ax sag cor tra ap pa lat ll rl lr is si hf ff obl sax lax rao lao cc mlo ml lm ld rd od os ou
te tr ti fa fov nex avg snr fat wat in ip oop rec raw der sub std iso km iv po pi art ven del
nat pre pos low high hd sd max min avg sum ref cal qa qc qs sec mm ms hu mu kv ma gy
arm leg ear eye jaw hip rib toe bwk hwk lwk bws hws lws isg osg usg lwc isc cns zns gi ent hno
icu its imc ops er ed opd amb int neu gyn uro kar car ped pad onk rad ray lab his ris pacs ehr
ge
usa ger deu aut sui fra ita esp uk eu rue via str
am an at im in on of zu de la le el il und and the for der die das des dem den von bei zur zum
les las los del san sao st dr med new old all big sea see bay inc ltd llc gbr ev mbh ag kg co
"""
_ABBREVIATIONS = frozenset(_SHORT_ONES.split())
"""Of modalities, directions, sequences, parts of the body and departments; particles of names."""


def is_abbreviation(word: str) -> bool:
    """Whether two or three letters tell no institution, since they stand in many descriptions."""
    return fold(word).text in _ABBREVIATIONS


def _of_the_dictionary() -> frozenset[str]:
    """Words of the names of all attributes of PS3.6."""
    names = " ".join(entry[2] for entry in DicomDictionary.values())
    return frozenset(word.lower() for word in re.findall(r"[A-Za-z]{4,}", names))


_WORDS = frozenset((_OF_HOSPITALS + _OF_THE_BODY + _OF_EXAMINATIONS).split())
_ORDINARY = _WORDS | _of_the_dictionary()


def is_ordinary(word: str) -> bool:
    """Whether a word tells no institution by itself, in whatever case and accents."""
    folded = fold(word).text
    return folded in _ORDINARY or folded.replace("ae", "a").replace("ue", "u") in _ORDINARY
