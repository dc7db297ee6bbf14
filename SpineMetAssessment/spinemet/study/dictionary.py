"""The DICOM elements that this room reads: keyword, tag and value representation (PS3.6).

Only these are kept of a header, so that tens of thousands of headers fit into memory.
"""

from __future__ import annotations

_TABLE = """
FileMetaInformationGroupLength 00020000 UL
MediaStorageSOPClassUID 00020002 UI
MediaStorageSOPInstanceUID 00020003 UI
TransferSyntaxUID 00020010 UI
FileSetID 00041130 CS
SpecificCharacterSet 00080005 CS
ImageType 00080008 CS
SOPClassUID 00080016 UI
SOPInstanceUID 00080018 UI
StudyDate 00080020 DA
SeriesDate 00080021 DA
AcquisitionDate 00080022 DA
ContentDate 00080023 DA
AcquisitionDateTime 0008002A DT
StudyTime 00080030 TM
SeriesTime 00080031 TM
AcquisitionTime 00080032 TM
ContentTime 00080033 TM
Modality 00080060 CS
ConversionType 00080064 CS
Manufacturer 00080070 LO
CodeValue 00080100 SH
CodeMeaning 00080104 LO
StudyDescription 00081030 LO
SeriesDescription 0008103E LO
PixelPresentation 00089205 CS
VolumetricProperties 00089206 CS
VolumeBasedCalculationTechnique 00089207 CS
ComplexImageComponent 00089208 CS
AcquisitionContrast 00089209 CS
PatientName 00100010 PN
PatientID 00100020 LO
IssuerOfPatientID 00100021 LO
PatientBirthDate 00100030 DA
PatientSex 00100040 CS
PatientSize 00101020 DS
PatientWeight 00101030 DS
ContrastBolusAgent 00180010 LO
ContrastBolusAgentSequence 00180012 SQ
BodyPartExamined 00180015 CS
ScanningSequence 00180020 CS
SequenceVariant 00180021 CS
ScanOptions 00180022 CS
MRAcquisitionType 00180023 CS
SequenceName 00180024 SH
SliceThickness 00180050 DS
KVP 00180060 DS
RepetitionTime 00180080 DS
EchoTime 00180081 DS
InversionTime 00180082 DS
EchoNumbers 00180086 IS
MagneticFieldStrength 00180087 DS
SpacingBetweenSlices 00180088 DS
ProtocolName 00181030 LO
ContrastBolusRoute 00181040 LO
TriggerTime 00181060 DS
GantryDetectorTilt 00181120 DS
ImagerPixelSpacing 00181164 DS
ConvolutionKernel 00181210 SH
FlipAngle 00181314 DS
PatientPosition 00185100 CS
ViewPosition 00185101 CS
EffectiveEchoTime 00189082 FD
MRDiffusionSequence 00189117 SQ
DiffusionDirectionality 00189075 CS
DiffusionBValue 00189087 FD
DiffusionGradientDirectionSequence 00189076 SQ
DiffusionGradientOrientation 00189089 FD
InversionTimes 00189079 FD
InversionRecovery 00189009 CS
SpectrallySelectedSuppression 00189025 CS
PulseSequenceName 00189005 SH
EchoPulseSequence 00189008 CS
MRTimingAndRelatedParametersSequence 00189112 SQ
MREchoSequence 00189114 SQ
MRModifierSequence 00189115 SQ
MRImageFrameTypeSequence 00189226 SQ
CTImageFrameTypeSequence 00189329 SQ
CTReconstructionSequence 00189314 SQ
CTXRayDetailsSequence 00189325 SQ
PETFrameTypeSequence 00189751 SQ
FrameType 00089007 CS
ReconstructionAlgorithm 00189315 CS
FrameAcquisitionDateTime 00189074 DT
FrameReferenceDateTime 00189151 DT
StudyInstanceUID 0020000D UI
SeriesInstanceUID 0020000E UI
SeriesNumber 00200011 IS
AcquisitionNumber 00200012 IS
InstanceNumber 00200013 IS
ImagePositionPatient 00200032 DS
ImageOrientationPatient 00200037 DS
FrameOfReferenceUID 00200052 UI
Laterality 00200060 CS
TemporalPositionIdentifier 00200100 IS
NumberOfTemporalPositions 00200105 IS
PatientOrientation 00200020 CS
SliceLocation 00201041 DS
ImageComments 00204000 LT
FrameContentSequence 00209111 SQ
PlanePositionSequence 00209113 SQ
PlaneOrientationSequence 00209116 SQ
StackID 00209056 SH
InStackPositionNumber 00209057 UL
TemporalPositionIndex 00209128 UL
FrameAcquisitionNumber 00209156 US
DimensionIndexValues 00209157 UL
DimensionIndexSequence 00209222 SQ
DimensionIndexPointer 00209165 AT
FunctionalGroupPointer 00209167 AT
SamplesPerPixel 00280002 US
PhotometricInterpretation 00280004 CS
PlanarConfiguration 00280006 US
NumberOfFrames 00280008 IS
Rows 00280010 US
Columns 00280011 US
PixelSpacing 00280030 DS
PixelAspectRatio 00280034 IS
CorrectedImage 00280051 CS
BitsAllocated 00280100 US
BitsStored 00280101 US
HighBit 00280102 US
PixelRepresentation 00280103 US
PixelPaddingValue 00280120 US
BurnedInAnnotation 00280301 CS
PixelSpacingCalibrationType 00280A02 CS
PixelSpacingCalibrationDescription 00280A04 LO
RescaleIntercept 00281052 DS
RescaleSlope 00281053 DS
RescaleType 00281054 LO
LossyImageCompression 00282110 CS
LossyImageCompressionRatio 00282112 DS
PixelMeasuresSequence 00289110 SQ
FrameVOILUTSequence 00289132 SQ
PixelValueTransformationSequence 00289145 SQ
SeriesType 00541000 CS
Units 00541001 CS
CountsSource 00541002 CS
AttenuationCorrectionMethod 00541101 LO
DecayCorrection 00541102 CS
SliceSensitivityFactor 00541104 DS
RadiopharmaceuticalInformationSequence 00540016 SQ
RadiopharmaceuticalStartTime 00181072 TM
RadionuclideTotalDose 00181074 DS
RadionuclideHalfLife 00181075 DS
RadiopharmaceuticalStartDateTime 00181078 DT
SharedFunctionalGroupsSequence 52009229 SQ
PerFrameFunctionalGroupsSequence 52009230 SQ
StructureSetLabel 30060002 SH
ReferencedFrameOfReferenceUID 30060024 UI
DoseUnits 30040002 CS
DoseType 30040004 CS
DoseSummationType 3004000A CS
RTPlanLabel 300A0002 SH
ContentLabel 00700080 CS
ContentDescription 00700081 LO
SegmentationType 00620001 CS
"""

_ROWS = [line.split() for line in _TABLE.splitlines() if line]

TAGS: dict[str, int] = {keyword: int(tag, 16) for keyword, tag, _ in _ROWS}

# What Siemens, GE and Philips write privately, with the name of the block's creator, where no public element says it.
PRIVATE_B_VALUES = {0x0019100C: "SIEMENS MR HEADER", 0x00431039: "GEMS_PARM_01", 0x20011003: "PHILIPS IMAGING DD 001"}
PRIVATE_MOSAIC = 0x0019100A
PRIVATE_CREATORS = (0x00190010, 0x00430010, 0x20010010)

REPRESENTATIONS: dict[int, str] = {
    **{int(tag, 16): representation for _, tag, representation in _ROWS},
    **dict.fromkeys(PRIVATE_CREATORS, "LO"),
    # Private values keep the representation of the file where it says one.
    **dict.fromkeys((*PRIVATE_B_VALUES, PRIVATE_MOSAIC), "UN"),
}

PIXELS = frozenset((0x7FE00010, 0x7FE00008, 0x7FE00009))
"""Whole numbers, and the two kinds of fractions."""
