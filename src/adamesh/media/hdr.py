"""High dynamic range and wide gamuts brought to BT.709: what phones record by default.

A picture's light is what a display of its standard shows: HLG on one of 1000 cd/m2 (ITU-R BT.2100, system
gamma 1.2), PQ as its signal says. Diffuse white, 203 cd/m2 in both (BT.2408), becomes the white of BT.709,
and what is brighter is rolled off. Primaries are turned by matrices (BT.2087 for BT.2020).
"""

import functools

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

HLG, PQ = 18, 16  # transfer characteristics (ITU-T H.273)
BT2020, DISPLAY_P3 = 9, 12  # colour primaries
# Linear light of those primaries -> of BT.709; all have the white D65.
TO_BT709: dict[int, NDArray[np.float64]] = {
    BT2020: np.array(
        [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    ),
    DISPLAY_P3: np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]]),
}
BT2020_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
WHITE = 203.0  # cd/m2 of diffuse white
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2
DISPLAY_GAMMA = 2.4  # of BT.709 on a display (BT.1886)
KNEE = 0.9  # of white, from which on light is rolled off
LEVELS = 65_536


def is_wide(transfer: int, primaries: int) -> bool:
    """Whether pictures of these two numbers of H.273 are other than BT.709's in light."""
    return transfer in (HLG, PQ) or primaries in TO_BT709


def to_bt709(signal: NDArray[np.uint16], transfer: int, primaries: int) -> NDArray[np.uint8]:
    """RGB of 16 bits [H, W, 3] as it is stored -> 8 bits of BT.709."""
    light = _light(transfer)[signal]
    if transfer == HLG:
        # The system gamma acts on luminance, so that colours keep their hue.
        luminance = light @ BT2020_LUMINANCE
        light = light * (luminance ** np.float32(HLG_GAMMA - 1))[..., None]
        light *= np.float32(HLG_PEAK / WHITE)
    if primaries in TO_BT709:
        light = light @ TO_BT709[primaries].T.astype(np.float32)
    np.clip(light, 0, None, out=light)
    over = light > KNEE
    if transfer in (HLG, PQ) and over.any():
        room = np.float32(1 - KNEE)
        light[over] = KNEE + room * (1 - np.exp((KNEE - light[over]) / room))
    steps = (np.clip(light, 0, 1) ** np.float32(1 / 4) * (LEVELS - 1)).astype(np.uint16)
    return _encoded()[steps]


@functools.lru_cache(maxsize=4)
def _light(transfer: int) -> Float:
    """[LEVELS] light of a signal: of HLG's scene, 0..1; of the others, in diffuse whites."""
    x = np.linspace(0, 1, LEVELS)
    if transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(x <= 0.5, x**2 / 3, (np.exp((x - c) / a) + b) / 12)
    elif transfer == PQ:
        m1, m2 = 2610 / 16384, 2523 / 32
        c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
        root = x ** (1 / m2)
        light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * 10_000 / WHITE
    else:
        light = x**DISPLAY_GAMMA
    return light.astype(np.float32)


@functools.lru_cache(maxsize=1)
def _encoded() -> NDArray[np.uint8]:
    """[LEVELS] 8-bit values for the fourth roots of light 0..1, which are fine where the eye is."""
    root = np.linspace(0, 1, LEVELS)
    return np.rint(255 * root ** (4 / DISPLAY_GAMMA)).astype(np.uint8)
