"""A person's look in one place: traits, the painted skin, the eye's colour."""

from anonymizer.head.eyes import eye_colour
from anonymizer.head.layout import texture_coordinates
from anonymizer.head.texture import albedo
from anonymizer.head.traits import Appearance, sample_appearance, sample_melanin, vector

__all__ = [
    "Appearance",
    "albedo",
    "eye_colour",
    "sample_appearance",
    "sample_melanin",
    "texture_coordinates",
    "vector",
]
