"""Identity: random people of MakeHuman's shape targets, and the directions in which they differ most."""

import json

import numpy as np
from assembly import Assembly
from base_mesh import BaseMesh
from geometry import Array
from part import JOINTS

N_BETAS = 50
N_DRAWS = 6000
AGES = ("child", "young", "old")

# Spread of the local changes; 1 is the end of MakeHuman's sliders, a caricature.
SPREADS = {
    "cheek": 0.30,
    "chin": 0.28,
    "ears": 0.22,
    "eyebrows": 0.30,
    "eyes": 0.25,
    "forehead": 0.25,
    "head": 0.22,
    "mouth": 0.28,
    "neck": 0.15,
    "nose": 0.25,
}


def random_people(base: BaseMesh, rng: np.random.Generator) -> tuple[Array, Array]:
    """Random people and their mirror images: weights [2 * N_DRAWS, m] of targets [m, N, 3], decimetres.

    So identities are as often turned one way as the other.
    """
    keys, targets = shape_targets(base)
    weights = draw_identities(keys, rng)
    column = {key: i for i, key in enumerate(keys)}
    swap = {"left": "right", "right": "left"}
    partner = [column[tuple(swap.get(word, word) for word in key)] for key in keys]
    targets = (targets + base.mirrored(targets[partner])) / 2
    return np.concatenate([weights, weights[:, partner]]), targets


def shape_targets(base: BaseMesh) -> tuple[list[tuple[str, ...]], Array]:
    """All shape targets: keys, and offsets [n, N, 3] in decimetres."""
    keys: list[tuple[str, ...]] = []
    offsets: list[Array] = []

    def add(key: tuple[str, ...], path: str) -> None:
        keys.append(key)
        offsets.append(base.target(f"mpfb2/targets/{path}.target.gz"))

    for sex in ("male", "female"):
        for age in AGES:
            for race in ("african", "asian", "caucasian"):
                add(("race", race, sex, age), f"macrodetails/{race}-{sex}-{age}")
            for muscle in ("min", "average", "max"):
                for weight in ("min", "average", "max"):
                    add(
                        ("universal", sex, age, muscle, weight),
                        f"macrodetails/universal-{sex}-{age}-{muscle}muscle-{weight}weight",
                    )
    catalogue = json.loads((base.root / "mpfb2/targets/target.json").read_text())
    for folder in SPREADS:
        for category in catalogue[folder]["categories"]:
            if category["name"].startswith("measure"):
                continue
            for side in ("left", "right", "unsided"):
                for sign in ("negative", "positive"):
                    target = category.get("opposites", {}).get(f"{sign}-{side}", "")
                    if target:
                        add(("local", folder, category["name"], side, sign), f"{folder}/{target}")
    return keys, np.stack(offsets)


def draw_identities(keys: list[tuple[str, ...]], rng: np.random.Generator) -> Array:
    """[N_DRAWS, n] weights of the shape targets for random people."""
    n = N_DRAWS
    race = rng.dirichlet(np.full(3, 0.5), n)
    male = np.where(rng.random(n) < 0.5, rng.beta(1, 5, n), rng.beta(5, 1, n))
    years = rng.beta(1.3, 1.6, n)  # 0 young, 1 old
    child = np.where(rng.random(n) < 0.12, rng.uniform(0, 0.6, n), 0.0)
    share = {
        **dict(zip(("african", "asian", "caucasian"), race.T, strict=True)),
        "male": male,
        "female": 1 - male,
        "child": child,
        "young": (1 - child) * (1 - years),
        "old": (1 - child) * years,
    }

    def three(level: Array) -> dict[str, Array]:
        return {
            "min": np.clip(-level, 0, 1),
            "max": np.clip(level, 0, 1),
            "average": 1 - np.clip(np.abs(level), 0, 1),
        }

    muscle, weight = three(rng.normal(0, 0.35, n)), three(rng.normal(0.05, 0.45, n))
    local: dict[tuple[str, str, str], Array] = {}
    weights = np.zeros((n, len(keys)))
    for column, (kind, *rest) in enumerate(keys):
        if kind == "race":
            weights[:, column] = share[rest[0]] * share[rest[1]] * share[rest[2]]
        elif kind == "universal":
            sex, age, m, w = rest
            weights[:, column] = share[sex] * share[age] * muscle[m] * weight[w]
        else:
            folder, category, side, sign = rest
            # Faces are nearly symmetric: both sides share 95 % of the variance.
            common = local.setdefault((folder, category, ""), rng.normal(0, 1, n))
            own = local.setdefault((folder, category, side), rng.normal(0, 1, n))
            value = common if side == "unsided" else np.sqrt(0.95) * common + np.sqrt(0.05) * own
            value = np.clip(value * SPREADS[folder], -1, 1)
            weights[:, column] = np.clip(value if sign == "positive" else -value, 0, 1)
    return weights


def random_sizes(n: int, rng: np.random.Generator) -> Array:
    """[n] how much larger than the average each of the people of `random_people` is."""
    sizes = rng.normal(0, 0.02, n // 2)
    return np.concatenate([sizes, sizes])


def average_person(base: BaseMesh, weights: Array, targets: Array) -> Array:
    """[N, 3] the mean of the people that the weights make of the base mesh, metres."""
    return base.centred(base.vertices + np.einsum("m,mvd->vd", weights.mean(0), targets))


def identity_directions(head: Assembly, neutral: Array, weights: Array, moves: Array) -> Array:
    """[N_BETAS, V + J, 3] the directions in which people differ most, without their turns.

    Args:
        head: what is moved.
        neutral: [V + J, 3] its vertices and joints, metres.
        weights: [n, m] people.
        moves: [m, V + J, 3] what each weight adds, metres.
    """
    importance = np.append(pca_importance(head, neutral[: head.n_vertices]), np.zeros(len(JOINTS)))
    with_head = [JOINTS.index(joint) for joint in ("head", "jaw", "leye", "reye")]
    share = np.concatenate(
        [head.weights[:, with_head].sum(1), np.isin(range(len(JOINTS)), with_head)]
    )
    front = np.isin(range(len(neutral)), head.regions["front"])
    moves = without_turns(moves, neutral, importance * front, share)
    shapes, kept = identity_basis(weights, moves, importance)
    print(
        f"identity: {N_BETAS} components keep {kept[-1]:.2%} of the variance, 10 keep {kept[9]:.2%}"
    )
    return shapes


def pca_importance(head: Assembly, vertices: Array) -> Array:
    """[V] vertex areas, more of the face than of what surrounds it; vertices: [V, 3] metres."""
    triangles = head.triangles
    p, q, r = (vertices[triangles[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(q - p, r - p), axis=1)
    importance = np.bincount(triangles.ravel(), np.repeat(area, 3), len(vertices))
    factor = np.full(len(vertices), 0.2)
    skin, span = head.parts["skin"], head.span("skin")
    height = vertices[span, 1]
    of_skin = 0.3 * np.clip((height + 0.09) / 0.04, 0.05, 1)  # metres above the head joint
    of_skin[skin.regions["ears"]] = 0.3
    of_skin[skin.regions["front"]] = 1.0
    of_skin[skin.regions["mouth_interior"]] = 0.1
    factor[span] = of_skin
    return importance * factor


def without_turns(moves: Array, neutral: Array, importance: Array, share: Array) -> Array:
    """Identity is shape, not posture: what a change of shape turns the face is turned back.

    Otherwise a person whose features lie lower looks to every tracker like one who nods: of random
    people, faces were turned up or down by 2.5 degrees in the mean.

    Args:
        moves: [m, N, 3] vertices and joints, metres.
        neutral: [N, 3] metres, the head joint at the origin.
        importance: [N] of each in finding the turn.
        share: [N] 0..1, how far each turns with the head joint.
    """
    x, y, z = neutral.T
    zero = np.zeros_like(x)
    turns = [np.stack(v, 1) for v in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    shifts = [np.broadcast_to(axis, neutral.shape) for axis in np.eye(3)]
    rigid = np.stack([*turns, *shifts, neutral])  # and scale
    weighted = (rigid * importance[:, None]).reshape(len(rigid), -1)
    found = np.linalg.solve(
        weighted @ rigid.reshape(len(rigid), -1).T, weighted @ moves.reshape(len(moves), -1).T
    )
    return moves - share[:, None] * np.einsum("rm,rnd->mnd", found[:3], np.stack(turns))


def identity_basis(weights: Array, targets: Array, importance: Array) -> tuple[Array, Array]:
    """PCA of random people without forming their meshes.

    With weights c of covariance S = L L^T and targets T, people are x = mean + T^T (c - mean c).
    The components come from the small matrix L^T T_w T_w^T L, whose eigenvectors u give
    uncorrelated scores z = u^T L^-1 (c - mean c) of variance 1, and x regressed on z is (L u)^T T.

    Args:
        weights: [n, m].
        targets: [m, V, 3].
        importance: [V] of each vertex in the choice of components.
    Returns:
        directions [N_BETAS, V, 3], and the share [N_BETAS] of the weighted variance kept up to
        each.
    """
    covariance = np.cov(weights, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    weighted = (targets * np.sqrt(importance)[:, None]).reshape(len(targets), -1)
    small = root.T @ (weighted @ weighted.T) @ root
    variance, u = np.linalg.eigh(small)
    variance, u = variance[::-1], u[:, ::-1]
    kept = np.cumsum(variance)[:N_BETAS] / variance.sum()
    mix = (root @ u[:, :N_BETAS]).T  # [N_BETAS, m]
    directions = np.einsum("km,mvd->kvd", mix, targets)
    largest = np.take_along_axis(
        directions.reshape(N_BETAS, -1),
        np.abs(directions).reshape(N_BETAS, -1).argmax(1)[:, None],
        axis=1,
    )
    return directions * np.sign(largest)[..., None], kept
