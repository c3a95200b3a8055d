"""Motion from one face to another by geometry: which surface point is which, and what moves it alike."""

from adamesh.retargeting.retarget import Retargeter, fit_to_face, retargeter

__all__ = ["Retargeter", "fit_to_face", "retargeter"]
