"""Words that stand in headers of anybody: names that equal one tell nothing by themselves."""

from __future__ import annotations

import re

from pydicom._dicom_dict import DicomDictionary

_RADIOLOGY = """
abdomen abdominal adult angio ankle anonymous anonymized anterior aorta apex arm arterial artery
average axial back base bein black bladder blank body bone brain breast brust cardiac case chest
child clear colon contrast cor coronal cross day default derived diffusion dry dual east elbow
extended extremity eye face fast fat field film fine finger flow foot forearm full general gray
green grey hals hand hard head heart hepatic herz high hip hoch hot image kidney kind knee knie
kopf lang large late lateral leber left leg light lime linear liver localizer long low lower lung
lunge lut man mann maximum may medium mid middle minimum modality monochrome multi native neck new
none normal north oblique old open oral organ original other palm pancreas patient pelvis
perfusion phantom phase pink plain portal posterior primary private projection prone prostate
quick rapid recon rechts red regular removed renal research right rose round rumpf sagittal scan
schulter secondary series sharp short shoulder side single sinus skull slice slow small smooth
soft south spin spine spleen stack standard stern stomach strong study subject subtraction supine
table tall test thick thigh thin thorax thyroid tief tilt time tooth top trial true unknown upper
uterus vein venous view volume volunteer wall water weich west white whole wide wrist yes young
"""
_MAKERS = """
agfa barco bruker canon carestream fuji fujifilm healthcare hitachi hologic kodak konica medical
medtronic merge mindray minolta philips picker planmeca samsung siemens toshiba varian elekta vital
"""
_PEOPLE = """
admin assistant doctor fellow frau herr junior jun med mrs nurse operator phd physician prof
professor radiologist radiology resident sen senior staff tech technician technologist user
"""
_TERMS = """
acq ant arc block bolus box cal cone core fan form free lat lin manu mark mean mod norm obs panel
par parts ran ring scout seed seg sense som spi static stat sum syn tee tip tran wire
"""
_PARTICLES = """
abu bin dal das de del della den der des di dos el ibn la las le los ter van vom von zum zur
"""


def _of_the_dictionary() -> frozenset[str]:
    """Words of the names of all attributes of PS3.6."""
    names = " ".join(entry[2] for entry in DicomDictionary.values())
    return frozenset(word.lower() for word in re.findall(r"[A-Za-z]{3,}", names))


COMMON_WORDS = (
    frozenset((_RADIOLOGY + _MAKERS + _PEOPLE + _PARTICLES).split()) | _of_the_dictionary()
)
"""In small letters, without accents."""

PARTICLES = frozenset(_PARTICLES.split())
"""Of family names: they are no part of a name by themselves."""

_OF_IMAGING = """
admire artist assist bartlett bessel blackman blade bravo butterworth cartesian chebyshev cosine
cosmic cube detail dixon drive edge fast feldkamp fermi fiesta fir flair flash focus fourier gauss
gaussian gibbs grass hamming hann hanning haste helical hilbert kaiser lanczos laplace lava logan
mars medic merge metz norm parzen petra press propeller quick radial ram ramp resolve safire sharp
shepp silent sobel space spiral star steam stir trace tukey twist vibe vista welch wiener
"""
OF_IMAGING = frozenset(
    {
        0x00080008,  # ImageType
        0x00089007,  # FrameType
        0x00089207,  # VolumeBasedCalculationTechnique
        0x00089209,  # AcquisitionContrast
        0x00180020,  # ScanningSequence
        0x00180021,  # SequenceVariant
        0x00180022,  # ScanOptions
        0x00181160,  # FilterType
        0x00181210,  # ConvolutionKernel
        0x00189302,  # AcquisitionType
        0x00189315,  # ReconstructionAlgorithm
        0x00189316,  # ConvolutionKernelGroup
        0x00189320,  # ImageFilter
        0x00280051,  # CorrectedImage
        0x00541103,  # ReconstructionMethod
    }
)
"""Attributes by which devices tell how an image was made."""

TERMS_OF_IMAGING = frozenset(_OF_IMAGING.split())
"""Words of these that are names of people too: techniques, sequences, filters. In small letters."""

TERMS_OF_CODES = frozenset(_TERMS.split())
"""Values of VR CS that are names of people too: `LIN` of CorrectedImage. In small letters."""
