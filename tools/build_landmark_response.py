"""Measures how the landmark detector answers to each action of the embedded head.

    python tools/build_landmark_response.py

Run it after a change of the head or of the landmark networks; it takes about half a minute and writes
src/adamesh/assets/landmark_response.safetensors.
"""

from pathlib import Path

from safetensors.torch import save_file

from adamesh.faces.embedded import load_embedded_face
from adamesh.tracking.landmarker import FaceLandmarker
from adamesh.tracking.response import measure_response

OUTPUT = Path(__file__).parent.parent / "src/adamesh/assets/landmark_response.safetensors"


def main() -> None:
    response = measure_response(load_embedded_face(), FaceLandmarker())
    save_file({"response": response.half().contiguous()}, OUTPUT)
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
