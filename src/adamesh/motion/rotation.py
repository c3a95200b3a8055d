"""Rotations in numpy: axis-angle, quaternion (w first), matrix and 6-D, with any leading axes.

Computed in float64 whatever comes in: differences of small rotations are what head motion is made
    of. All functions are exact up to rounding at 0 and at pi.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]


def axis_angle_to_quat(axis_angle: ArrayLike) -> Float:
    """[..., 3] axis-angle, radians -> [..., 4] unit quaternion, w first; w >= 0 up to pi."""
    rotvec = np.asarray(axis_angle, np.float64)
    half = np.linalg.norm(rotvec, axis=-1, keepdims=True) / 2
    # sin(half)/|rotvec| without a division by zero: np.sinc(x) is sin(pi x)/(pi x).
    return np.concatenate([np.cos(half), rotvec * np.sinc(half / np.pi) / 2], axis=-1)


def quat_to_axis_angle(quat: ArrayLike) -> Float:
    """[..., 4] quaternion, w first, not zero -> [..., 3] axis-angle, angle in 0..pi."""
    q = _unit(np.asarray(quat, np.float64))
    q = np.where(q[..., :1] < 0, -q, q)
    w, vector = q[..., :1], q[..., 1:]
    sine = np.linalg.norm(vector, axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, w)
    scale = np.divide(angle, sine, out=np.full_like(sine, 2.0), where=sine > 1e-12)
    return vector * scale


def quat_multiply(a: ArrayLike, b: ArrayLike) -> Float:
    """Hamilton product [..., 4]: the rotation that turns by `b` first, then by `a`."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    aw, av = a[..., :1], a[..., 1:]
    bw, bv = b[..., :1], b[..., 1:]
    w = aw * bw - np.sum(av * bv, axis=-1, keepdims=True)
    return np.concatenate([w, aw * bv + bw * av + np.cross(av, bv)], axis=-1)


def quat_conjugate(quat: ArrayLike) -> Float:
    """[..., 4] the inverse of a unit quaternion."""
    return np.asarray(quat, np.float64) * np.array([1.0, -1.0, -1.0, -1.0])


def quat_to_matrix(quat: ArrayLike) -> Float:
    """[..., 4] quaternion -> [..., 3, 3] rotation matrix, for column vectors."""
    w, x, y, z = np.moveaxis(_unit(np.asarray(quat, np.float64)), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quat(matrix: ArrayLike) -> Float:
    """[..., 3, 3] rotation matrix -> [..., 4] unit quaternion.

    Source: Shepperd's method, J. Guidance and Control 1(3), 1978: of the four rows of 4 q q^T the
        one with the largest diagonal element is divided by its root, so that nothing small is
        divided by.
    """
    m = np.asarray(matrix, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    odd, even = m - np.swapaxes(m, -1, -2), m + np.swapaxes(m, -1, -2)
    wx, wy, wz = odd[..., 2, 1], odd[..., 0, 2], odd[..., 1, 0]
    xy, xz, yz = even[..., 0, 1], even[..., 0, 2], even[..., 1, 2]
    outer = np.stack(
        [
            np.stack([1 + xx + yy + zz, wx, wy, wz], axis=-1),
            np.stack([wx, 1 + xx - yy - zz, xy, xz], axis=-1),
            np.stack([wy, xy, 1 - xx + yy - zz, yz], axis=-1),
            np.stack([wz, xz, yz, 1 - xx - yy + zz], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    row = np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :]
    return _unit(row)


def axis_angle_to_matrix(axis_angle: ArrayLike) -> Float:
    """[..., 3] axis-angle, radians -> [..., 3, 3] rotation matrix."""
    return quat_to_matrix(axis_angle_to_quat(axis_angle))


def matrix_to_axis_angle(matrix: ArrayLike) -> Float:
    """[..., 3, 3] rotation matrix -> [..., 3] axis-angle, angle in 0..pi."""
    return quat_to_axis_angle(matrix_to_quat(matrix))


def axis_angle_to_rot6d(axis_angle: ArrayLike) -> Float:
    """[..., 3] axis-angle, radians -> [..., 6]: the first column of the matrix, then the second.

    Source: Zhou et al., On the Continuity of Rotation Representations in Neural Networks, CVPR
        2019.
    """
    matrix = axis_angle_to_matrix(axis_angle)
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def rot6d_to_axis_angle(rot6d: ArrayLike) -> Float:
    """[..., 6], not necessarily orthonormal -> [..., 3] axis-angle, by Gram-Schmidt."""
    six = np.asarray(rot6d, np.float64)
    first = _unit(six[..., :3])
    second = six[..., 3:] - first * np.sum(first * six[..., 3:], axis=-1, keepdims=True)
    second = _unit(second)
    return matrix_to_axis_angle(np.stack([first, second, np.cross(first, second)], axis=-1))


def relative_rotation(start: ArrayLike, stop: ArrayLike) -> Float:
    """The shortest turn [..., 3], axis-angle in the frame of `start`, that leads from it to `stop`.

    Between neighbouring frames this is the angular velocity in radians per frame.
    """
    turn = quat_multiply(quat_conjugate(axis_angle_to_quat(start)), axis_angle_to_quat(stop))
    return quat_to_axis_angle(turn)


def slerp(start: ArrayLike, stop: ArrayLike, weight: ArrayLike) -> Float:
    """Between two rotations on the shortest way, at constant speed.

    Args:
        start: [..., 3] axis-angle, radians, at weight 0.
        stop: [..., 3] axis-angle, radians, at weight 1.
        weight: [...] broadcast against the leading axes.
    Returns:
        [..., 3] axis-angle.
    """
    step = relative_rotation(start, stop) * np.asarray(weight, np.float64)[..., None]
    return quat_to_axis_angle(quat_multiply(axis_angle_to_quat(start), axis_angle_to_quat(step)))


def geodesic_angle(a: ArrayLike, b: ArrayLike) -> Float:
    """[...] angle in 0..pi radians of the turn between two axis-angle rotations [..., 3]."""
    return np.linalg.norm(relative_rotation(a, b), axis=-1)


def continuous_quats(axis_angle: ArrayLike) -> Float:
    """Quaternions [T, 4] of a sequence [T, 3], with signs that keep neighbours on one side.

    Readers that interpolate quaternions component by component need this.
    """
    quats = axis_angle_to_quat(axis_angle)
    flips = np.sum(quats[1:] * quats[:-1], axis=-1) < 0
    signs = np.where(np.cumsum(flips) % 2 == 1, -1.0, 1.0)
    quats[1:] *= signs[:, None]
    return quats


def _unit(vectors: Float) -> Float:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
