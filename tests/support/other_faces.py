"""Faces of other shape and topology than the embedded head, for whatever maps one face to another.

The skin and eyeballs of the embedded head, on another person, bent, with a mesh of its own: every triangle
is split at the middles of its edges, and three quarters of the vertices are then removed.
"""

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adamesh.evaluation.other_meshes import bend, decimate, nearest_points, split
from adamesh.faces import Face, load_embedded_face
from adamesh.faces.skinning import rotation_matrices
from adamesh.motion.spaces import ARKIT52, EYE_BLINK, EYE_LOOK, JAW

KEPT_TRIANGLES = 0.16  # of those that splitting makes
MATERIALS = ("skin", "lips", "sclera", "iris", "pupil")
FLAME_JOINTS = ("root", "neck", "jaw", "leye", "reye")
JAW_TURN = 0.35  # radians, about what jawOpen = 1 does


@functools.cache
def other_arkit_face(seed: int = 3) -> Face:
    """The 52 actions on another person's head, bent, with another mesh."""
    return Face(**_remeshed(seed))


@functools.cache
def other_flame_face(seed: int = 3) -> Face:
    """As `other_arkit_face`, but with FLAME's joints, a jaw that turns, and 50 components without names.

    The components are the principal ones of random faces with a jaw at rest; nothing closes the lids.
    """
    parts = _remeshed(seed)
    weights = parts["skin_weights"]  # root, neck, head, jaw, leye, reye
    # FLAME has no head joint: what it carried goes to the neck.
    parts["skin_weights"] = torch.stack(
        [weights[:, 0], weights[:, 1] + weights[:, 2], *weights[:, 3:].unbind(1)], dim=1
    )
    keep = [0, 1, 3, 4, 5]
    for name in ("joints_template", "joints_shapedirs"):
        parts[name] = parts[name][keep]
    parts |= {
        "name": "other flame",
        "space": "flame50",
        "expression_names": None,
        "joint_names": FLAME_JOINTS,
        "joint_parents": (-1, 0, 1, 1, 1),
        "expressiondirs": _components(parts, np.random.default_rng(seed)),
    }
    return Face(**parts)


def _components(parts: dict[str, Any], rng: np.random.Generator) -> Tensor:
    """[V, 3, 50] one standard deviation of each component."""
    actions = parts["expressiondirs"].clone()
    jaw_joint, weight = parts["joints_template"][2], parts["skin_weights"][:, 2, None]
    turn = rotation_matrices(torch.tensor([JAW_TURN, 0.0, 0.0])) - torch.eye(3)
    by_joint = weight * ((parts["template"] - jaw_joint) @ turn.T)
    jaw_open, mouth_close = ARKIT52.index("jawOpen"), ARKIT52.index("mouthClose")
    # What the joint does is no expression; how the mouth closes on an open jaw is in part.
    actions[..., jaw_open] -= by_joint
    actions[..., mouth_close] += by_joint
    chosen = [i for i in range(len(ARKIT52)) if i not in EYE_BLINK + EYE_LOOK + JAW[:3]]
    draws = torch.from_numpy(rng.gamma(0.5, 0.4, (400, len(chosen)))).float()
    faces = torch.einsum("vca,na->nvc", actions[..., chosen], draws)
    faces = faces + _smooth_noise(parts["template"], rng, len(faces))
    flat = (faces - faces.mean(0)).flatten(1)
    _, scale, directions = torch.linalg.svd(flat, full_matrices=False)
    components = directions[:50] * scale[:50, None] / len(faces) ** 0.5
    return components.unflatten(1, (-1, 3)).permute(1, 2, 0).contiguous()


def _smooth_noise(template: Tensor, rng: np.random.Generator, count: int) -> Tensor:
    """[count, V, 3] what no action does: random displacements of about 0.3 mm, smooth over 3 cm."""
    centres = template[torch.from_numpy(rng.choice(len(template), 60, replace=False))]
    near = torch.exp(-0.5 * (torch.cdist(template, centres) / 0.03) ** 2)
    strengths = torch.from_numpy(rng.normal(0, 3e-4, (count, 60, 3))).float()
    return torch.einsum("vk,nkc->nvc", near / near.sum(1, keepdim=True), strengths) * 3


def _remeshed(seed: int) -> dict[str, Any]:
    """Arguments of `Face` for the embedded head on another person, bent, with another mesh."""
    head = load_embedded_face(torch.float64)
    betas = torch.randn(head.n_betas, generator=torch.Generator().manual_seed(seed)).double() * 1.3
    still = head.template + head.shapedirs @ betas
    rest = bend(still)

    def bent(directions: Tensor) -> Tensor:
        moved = [bend(still + d) - rest for d in directions.unbind(-1)]
        return torch.stack(moved, dim=-1)

    joints = head.joints_template + head.joints_shapedirs @ betas
    fields = {
        "template": rest,
        "shapedirs": bent(head.shapedirs),
        "expressiondirs": bent(head.expressiondirs),
        "skin_weights": head.skin_weights,
        "colors": head.colors,
    }
    triangles, material = _chosen(head)
    opened = rest + 0.6 * fields["expressiondirs"][..., ARKIT52.index("jawOpen")]
    landmarks = head._at_landmarks(opened).numpy()
    fields, triangles, material = split(fields | {"opened": opened}, triangles, material)
    kept, triangles, material = decimate(
        fields["template"].numpy(), triangles, material, kept=KEPT_TRIANGLES
    )
    opened = fields.pop("opened")[kept]
    fields = {name: value[kept].float() for name, value in fields.items()}
    # Landmarks on the open mouth, where the nearest point is never on the other lip.
    embedded, barycentric = nearest_points(landmarks, opened.numpy(), triangles)
    return {
        "name": "other arkit",
        "space": "arkit52",
        "expression_names": ARKIT52,
        "joint_names": head.joint_names,
        "joint_parents": head.joint_parents,
        "triangles": torch.from_numpy(triangles),
        "joints_template": bend(joints).float(),
        "joints_shapedirs": torch.zeros(len(joints), 3, head.n_betas),
        "uv": torch.zeros(1, 2),
        "uv_triangles": torch.zeros(len(triangles), 3, dtype=torch.int64),
        "triangle_material": torch.from_numpy(material),
        "material_names": MATERIALS,
        "regions": {},
        "landmark_triangles": torch.from_numpy(embedded),
        "landmark_barycentric": torch.from_numpy(barycentric).float(),
        **fields,
    }


def _chosen(head: Face) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of the `MATERIALS`, and which of these each one is."""
    names = [head.material_names[m] for m in head.triangle_material.tolist()]
    mine = [i for i, name in enumerate(names) if name in MATERIALS]
    material = np.array([MATERIALS.index(names[i]) for i in mine])
    return head.triangles[mine].numpy(), material
