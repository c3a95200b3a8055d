"""Build the two ONNX files of `adamesh.tracking.landmarker` from the wheel `mediapipe==0.10.21`.

    pip install "adamesh[build-assets]"
    python tools/build_landmarker.py

MediaPipe's face detector (BlazeFace, short range) and attention face mesh are TFLite files with
float16 weights; the mesh uses three operators that only MediaPipe knows. Both are translated to
standard ONNX operators (opset 16, free batch size), weights still stored as float16, and everything
that belongs to the model rather than to the picture is put into the graph:

    face_detector.onnx
        image      float32 [N, 3, 128, 128], RGB, 0..255
        points     float32 [N, 896, 8, 2], fractions of the image side: low and high corner of the
                   box, then eye, eye, nose tip, mouth, ear, ear (left in the image before right)
        scores     float32 [N, 896], probabilities
    face_mesh.onnx
        image      float32 [N, 3, 192, 192], RGB, 0..255
        landmarks  float32 [N, 478, 3], fractions of the image side; a smaller z is nearer
        presence   float32 [N], probability that the image shows a face
"""

import argparse
import hashlib
import math
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from flatbuffers import flexbuffers
from onnx import TensorProto, helper, numpy_helper

WHEEL = "mediapipe==0.10.21"
WHEEL_PLATFORM = ["--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"]
DETECTOR = (
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)
MESH = (
    "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite",
    "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
)
ASSETS = Path(__file__).parents[1] / "src" / "adamesh" / "assets"

OPSET = 16
DETECTOR_SIZE, MESH_SIZE = 128, 192  # pixels, sides of the square network inputs
MESH_POINTS, IRIS_POINTS = 468, 5
EYELID_POINTS = 16  # the first points of an eye region are the eyelid contour

OPERATOR_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
NUMPY_TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}

NOTICE = """\
face_detector.onnx and face_mesh.onnx
=====================================
Copyright The MediaPipe Authors. Licensed under the Apache License, Version 2.0; a copy is in the
file LICENSE of this package and at https://www.apache.org/licenses/LICENSE-2.0

Origin: the PyPI package {wheel} (Apache License 2.0), files
    {detector[0]}
        sha256 {detector[1]}
        (BlazeFace, short range)
    {mesh[0]}
        sha256 {mesh[1]}
        (attention face mesh: 468 face points with refined lips and eyes, and 2 x 5 iris points)
MediaPipe's model cards name the same licence for the models.

Changes: both were translated from TFLite to ONNX by tools/build_landmarker.py of the AdaMesh
sources. The weights are unchanged (float16). Pixel scaling, the decoding of boxes and the merging
of the refined points were added to the graphs.
"""


class Graph:
    """An ONNX graph under construction; every method returns the name of the value it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        out = out or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out, **attributes))
        return out

    def halves(self, x: str, axis: int) -> tuple[str, str]:
        """The two entries along an axis of length 2, which stays with length 1."""
        a, b = (f"split{i}_{len(self.nodes)}" for i in range(2))
        self.nodes.append(helper.make_node("Split", [x], [a, b], name=a, axis=axis))
        return a, b

    def slice(self, x: str, start: int, stop: int, axis: int) -> str:
        return self.op("Slice", x, self.ints([start]), self.ints([stop]), self.ints([axis]))

    def constant(self, value: np.ndarray) -> str:
        name = f"const_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def floats(self, value: Any) -> str:
        return self.constant(np.asarray(value, np.float32))

    def ints(self, value: Iterable[int]) -> str:
        return self.constant(np.array(list(value), np.int64))

    def weight(self, value: np.ndarray) -> str:
        """A float32 constant stored as float16, which loses nothing: the originals are float16."""
        half = value.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), value):
            raise ValueError("a weight is not representable in float16: another model file?")
        return self.op("Cast", self.constant(half), to=TensorProto.FLOAT)

    def save(self, path: Path, size: int, outputs: dict[str, list[int]]) -> None:
        def info(name: str, shape: list[int]) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])

        graph = helper.make_graph(
            self.nodes,
            path.stem,
            [info("image", [3, size, size])],
            [info(name, shape) for name, shape in outputs.items()],
            self.initializers,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


class Translator:
    """Translates a TFLite graph (batch 1, channels last) to ONNX (batch N, channels first inside).

    The 4x4 matrices of MediaPipe's operators are plane transforms in disguise, kept as [N, 2, 3].
    """

    def __init__(self, model: bytes, pixel_range: tuple[float, float]) -> None:
        self.model = tflite.Model.GetRootAsModel(model, 0)
        self.tflite = self.model.Subgraphs(0)
        self.graph = Graph()
        self.constants: dict[int, np.ndarray] = {}  # dequantized weights, by tensor number
        self.values: dict[int, str] = {}  # names of ONNX values, by tensor number
        self.matrices: set[int] = set()  # tensors that hold a transform
        self.regions: list[list[int]] = []  # mesh points of the lips, of one eye, of the other eye
        low, high = pixel_range
        g = self.graph
        pixels = g.op("Mul", "image", g.floats((high - low) / 255))
        self.values[int(self.tflite.Inputs(0))] = g.op("Add", pixels, g.floats(low))

    def outputs(self) -> dict[str, str]:
        """Translates all operators; the model's outputs by their TFLite names."""
        for k in range(self.tflite.OperatorsLength()):
            operator = self.tflite.Operators(k)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            kind = OPERATOR_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            options = operator.BuiltinOptions()
            if kind == "CUSTOM":
                if code.Version() != 2:
                    raise ValueError("only version 2 of MediaPipe's operators is known")
                kind = code.CustomCode().decode()
                if operator.CustomOptionsLength():
                    options = flexbuffers.Loads(bytes(operator.CustomOptionsAsNumpy()))
            inputs = [int(i) for i in operator.InputsAsNumpy()]
            output = int(operator.Outputs(0))
            value = getattr(self, f"on_{kind.lower()}")(inputs, output, options)
            if value is not None:
                self.values[output] = value
        numbers = [int(i) for i in self.tflite.OutputsAsNumpy()]
        return {self.tflite.Tensors(i).Name().decode(): self.values[i] for i in numbers}

    # -- reading the TFLite file ------------------------------------------------------------------

    def shape(self, number: int) -> list[int]:
        tensor = self.tflite.Tensors(number)
        return [int(n) for n in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []

    def constant(self, number: int) -> np.ndarray:
        if number in self.constants:
            return self.constants[number]
        tensor = self.tflite.Tensors(number)
        data = self.model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
        return np.frombuffer(data, NUMPY_TYPES[tensor.Type()]).reshape(self.shape(number))

    @staticmethod
    def options(cls: type, table: Any) -> Any:
        options = cls()
        options.Init(table.Bytes, table.Pos)
        fused = getattr(options, "FusedActivationFunction", None)
        if fused and fused() != tflite.ActivationFunctionType.NONE:
            raise ValueError("fused activations are not translated")
        return options

    def pads(
        self, number: int, kernel: Sequence[int], strides: Sequence[int], mode: int
    ) -> list[int]:
        """TFLite's SAME: ceil(size / stride) outputs, the smaller half of the padding in front."""
        if mode == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        total = [
            max((math.ceil(size / stride) - 1) * stride + k - size, 0)
            for size, k, stride in zip(self.shape(number)[1:3], kernel, strides, strict=True)
        ]
        return [t // 2 for t in total] + [t - t // 2 for t in total]

    # -- TFLite's own operators -------------------------------------------------------------------

    def on_dequantize(self, inputs: list[int], output: int, _: Any) -> None:
        self.constants[output] = self.constant(inputs[0]).astype(np.float32)

    def conv(self, inputs: list[int], options: Any, weight: np.ndarray, group: int) -> str:
        kernel, strides = weight.shape[2:], [options.StrideH(), options.StrideW()]
        return self.graph.op(
            "Conv",
            self.values[inputs[0]],
            self.graph.weight(weight),
            self.graph.weight(self.constant(inputs[2])),
            kernel_shape=kernel,
            strides=strides,
            pads=self.pads(inputs[0], kernel, strides, options.Padding()),
            group=group,
        )

    def on_conv_2d(self, inputs: list[int], _: int, table: Any) -> str:
        weight = self.constant(inputs[1]).transpose(0, 3, 1, 2)  # OHWI -> OIHW
        return self.conv(inputs, self.options(tflite.Conv2DOptions, table), weight, 1)

    def on_depthwise_conv_2d(self, inputs: list[int], _: int, table: Any) -> str:
        weight = self.constant(inputs[1]).transpose(3, 0, 1, 2)  # 1HWC -> C1HW
        options = self.options(tflite.DepthwiseConv2DOptions, table)
        return self.conv(inputs, options, weight, len(weight))

    def on_max_pool_2d(self, inputs: list[int], _: int, table: Any) -> str:
        options = self.options(tflite.Pool2DOptions, table)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        strides = [options.StrideH(), options.StrideW()]
        pads = self.pads(inputs[0], kernel, strides, options.Padding())
        x = self.values[inputs[0]]
        return self.graph.op("MaxPool", x, kernel_shape=kernel, strides=strides, pads=pads)

    def on_prelu(self, inputs: list[int], _: int, __: Any) -> str:
        """prelu(x) = a x + (1 - a) relu(x), for any a, as depthwise 1x1 convolutions.

        onnxruntime has no fast PRelu and leaves its blocked memory layout for it; in this form the
        mesh runs almost twice as fast.
        """
        g, x = self.graph, self.values[inputs[0]]
        slope = self.constant(inputs[1]).reshape(-1, 1, 1, 1)  # one per channel
        depthwise = {"group": len(slope), "kernel_shape": [1, 1]}
        linear = g.op("Conv", x, g.floats(slope), **depthwise)
        return g.op("Add", g.op("Conv", g.op("Relu", x), g.floats(1 - slope), **depthwise), linear)

    def on_relu(self, inputs: list[int], _: int, __: Any) -> str:
        return self.graph.op("Relu", self.values[inputs[0]])

    def on_add(self, inputs: list[int], _: int, table: Any) -> str:
        self.options(tflite.AddOptions, table)
        return self.graph.op("Add", *(self.values[i] for i in inputs))

    def on_mul(self, inputs: list[int], output: int, table: Any) -> str:
        self.options(tflite.MulOptions, table)
        factor = self.constant(inputs[1])
        if inputs[0] in self.matrices:
            self.matrices.add(output)
            factor = factor[:, :2][:, :, [0, 1, 3]]
        return self.graph.op("Mul", self.values[inputs[0]], self.graph.floats(factor))

    def on_pad(self, inputs: list[int], _: int, __: Any) -> str:
        pads = self.constant(inputs[1])[[0, 3, 1, 2]]  # rows N, H, W, C -> N, C, H, W
        return self.graph.op("Pad", self.values[inputs[0]], self.graph.ints(pads.T.ravel()))

    def on_reshape(self, inputs: list[int], output: int, _: Any) -> str:
        source, target, x = self.shape(inputs[0]), self.shape(output), self.values[inputs[0]]
        if len(source) == 4 and source[1:3] != [1, 1]:  # TFLite flattens with the channels last
            x = self.graph.op("Transpose", x, perm=[0, 2, 3, 1])
        return self.graph.op("Reshape", x, self.graph.ints([0, -1, *target[2:]]))

    def on_concatenation(self, inputs: list[int], _: int, table: Any) -> str:
        axis = self.options(tflite.ConcatenationOptions, table).Axis()
        return self.graph.op("Concat", *(self.values[i] for i in inputs), axis=axis)

    def on_strided_slice(self, inputs: list[int], output: int, _: Any) -> str:
        if self.shape(inputs[0]) != self.shape(output):
            raise ValueError("a STRIDED_SLICE that cuts something is not translated")
        return self.values[inputs[0]]

    # -- MediaPipe's operators --------------------------------------------------------------------

    def on_landmarks2transformmatrix(
        self, inputs: list[int], output: int, o: dict[str, Any]
    ) -> str:
        """Landmarks [N, 468, 3] -> transform [N, 2, 3] from region pixels to landmark pixels.

        The region is the bounding box of a subset of points, enlarged, in a frame turned by the
        direction (cos, sin) between two of the points:
            q = R(-angle) p,  centre = R(angle) (min q + max q) / 2
            scale = enlarge (max q - min q) / size
            M = shift(centre) R(angle) diag(scale) shift(-size / 2)
        """
        if o["target_rotation_radians"] != 0:
            raise ValueError("turned regions are not translated")
        self.regions.append(o["subset_idxs"])
        self.matrices.add(output)
        g = self.graph

        def add(a: str, b: str) -> str:
            return g.op("Add", a, b)

        def sub(a: str, b: str) -> str:
            return g.op("Sub", a, b)

        def mul(a: str, b: str) -> str:
            return g.op("Mul", a, b)

        points = g.slice(self.values[inputs[0]], 0, 2, axis=2)
        left = g.op("Gather", points, g.ints([o["left_rotation_idx"]]), axis=1)
        right = g.op("Gather", points, g.ints([o["right_rotation_idx"]]), axis=1)
        direction = sub(right, left)  # [N, 1, 2]
        length = g.op("ReduceL2", direction, axes=[2], keepdims=1)
        none = g.op("Equal", length, g.floats(0))
        unit = g.op("Where", none, g.floats([[[1, 0]]]), g.op("Div", direction, length))
        cos, sin = g.halves(unit, axis=2)  # [N, 1, 1] each, as all scalars below

        x, y = g.halves(g.op("Gather", points, g.ints(o["subset_idxs"]), axis=1), axis=2)
        upright = add(mul(x, cos), mul(y, sin)), sub(mul(y, cos), mul(x, sin))
        upright = g.op("Concat", *upright, axis=2)
        high = g.op("ReduceMax", upright, axes=[1], keepdims=1)
        low = g.op("ReduceMin", upright, axes=[1], keepdims=1)
        width, height = o["output_width"], o["output_height"]
        enlarge = g.floats([o["scale_x"] / width, o["scale_y"] / height])
        scale_x, scale_y = g.halves(mul(sub(high, low), enlarge), axis=2)
        mx, my = g.halves(mul(add(high, low), g.floats(0.5)), axis=2)

        a, b = mul(cos, scale_x), g.op("Neg", mul(sin, scale_y))
        c, d = mul(sin, scale_x), mul(cos, scale_y)
        half_width, half_height = g.floats(width / 2), g.floats(height / 2)
        centre_x, centre_y = sub(mul(mx, cos), mul(my, sin)), add(mul(mx, sin), mul(my, cos))
        tx = sub(centre_x, add(mul(a, half_width), mul(b, half_height)))
        ty = sub(centre_y, add(mul(c, half_width), mul(d, half_height)))
        rows = [g.op("Concat", *row, axis=2) for row in ((a, b, tx), (c, d, ty))]
        return g.op("Concat", *rows, axis=1)

    def on_transformtensorbilinear(self, inputs: list[int], _: int, o: dict[str, Any]) -> str:
        """Features [N, C, H, W] at the pixel centres (+0.5) of a transformed grid: [N, C, h, w].

        A grid point outside [0, W - 1] x [0, H - 1] gives 0 and is not blended. Written as a gather
        of the four neighbours: GridSample gives the same numbers and takes four times as long.
        """
        g = self.graph
        _, height, width, channels = self.shape(inputs[0])
        h, w = o["output_height"], o["output_width"]
        ys, xs = np.mgrid[:h, :w] + 0.5
        grid = g.floats(np.stack([xs, ys, np.ones((h, w))], -1).reshape(1, h * w, 3))
        transform = g.op("Transpose", self.values[inputs[1]], perm=[0, 2, 1])
        position = g.op("Sub", g.op("MatMul", grid, transform), g.floats(0.5))  # [N, h w, 2]
        clipped = g.op("Min", position, g.floats([width - 1, height - 1]))
        clipped = g.op("Max", clipped, g.floats(0))
        inside = g.op("Cast", g.op("Equal", position, clipped), to=TensorProto.FLOAT)
        inside = g.op("ReduceMin", inside, axes=[2], keepdims=1)

        corner = g.op("Min", g.op("Floor", clipped), g.floats([width - 2, height - 2]))
        fraction = g.op("Unsqueeze", g.op("Sub", clipped, corner), g.ints([1]))
        row = g.op("Cast", g.op("MatMul", corner, g.floats([[1], [width]])), to=TensorProto.INT64)
        neighbours = g.constant(np.array([0, 1, width, width + 1]).reshape(1, 4, 1, 1))
        rows = g.op("Add", g.op("Unsqueeze", row, g.ints([1])), neighbours)  # [N, 4, h w, 1]
        far_side = np.array([[1, 1], [0, 1], [1, 0], [0, 0]]).reshape(1, 4, 1, 2)
        weights = g.op("Abs", g.op("Sub", g.floats(far_side), fraction))
        weight = g.op("Mul", *g.halves(weights, axis=3))
        weight = g.op("Mul", weight, g.op("Unsqueeze", inside, g.ints([1])))

        table = g.op("Transpose", self.values[inputs[0]], perm=[0, 2, 3, 1])
        table = g.op("Reshape", table, g.ints([0, -1, channels]))
        taps = g.op("GatherND", table, g.op("Reshape", rows, g.ints([0, -1, 1])), batch_dims=1)
        taps = g.op("Mul", g.op("Reshape", taps, g.ints([0, 4, h * w, channels])), weight)
        features = g.op("ReduceSum", taps, g.ints([1]), keepdims=0)
        features = g.op("Transpose", features, perm=[0, 2, 1])
        return g.op("Reshape", features, g.ints([0, channels, h, w]))

    def on_transformlandmarks(self, inputs: list[int], _: int, __: Any) -> str:
        """Points [N, K, 2] through a transform: M[:, :2] p + M[:, 2]."""
        g, (points, matrix) = self.graph, (self.values[i] for i in inputs)
        transposed = g.op("Transpose", matrix, perm=[0, 2, 1])
        linear, shift = g.slice(transposed, 0, 2, axis=1), g.slice(transposed, 2, 3, axis=1)
        return g.op("Add", g.op("MatMul", points, linear), shift)


def anchors() -> np.ndarray:
    """[896, 2] centres of the boxes: 2 per cell of a 16 x 16 grid, then 6 of an 8 x 8 grid."""

    def grid(cells: int, boxes: int) -> np.ndarray:
        centres = (np.arange(cells) + 0.5) / cells
        return np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2).repeat(boxes, axis=0)

    return np.concatenate([grid(16, 2), grid(8, 6)])


def build_detector(model: bytes, path: Path) -> None:
    translator = Translator(model, pixel_range=(-1, 1))
    raw, g = translator.outputs(), translator.graph
    pairs = g.op("Reshape", raw["regressors"], g.ints([0, -1, 8, 2]))  # centre, size, 6 points
    pairs = g.op("Mul", pairs, g.floats(1 / DETECTOR_SIZE))
    origin = g.floats(anchors()[:, None])
    half = g.op("Mul", g.slice(pairs, 1, 2, axis=2), g.floats(0.5))
    centre = g.op("Add", g.slice(pairs, 0, 1, axis=2), origin)
    points = g.op("Add", g.slice(pairs, 2, 8, axis=2), origin)
    box = g.op("Sub", centre, half), g.op("Add", centre, half)
    g.op("Concat", *box, points, out="points", axis=2)
    g.op("Reshape", g.op("Sigmoid", raw["classificators"]), g.ints([0, -1]), out="scores")
    count = len(anchors())
    g.save(path, DETECTOR_SIZE, {"points": [count, 8, 2], "scores": [count]})


def build_mesh(model: bytes, path: Path) -> None:
    """Merges the regions as MediaPipe does.

    x, y of a refined region replace the mesh's; z stays the mesh's; an iris has the mean z of its
    eyelids.
    """
    translator = Translator(model, pixel_range=(0, 1))
    raw, g = translator.outputs(), translator.graph
    lips, *eyes = translator.regions
    mesh = g.op("Reshape", raw["output_mesh_identity"], g.ints([0, -1, 3]))
    # "left" is the left of the image here, which is the subject's right
    parts = ["lips", "left_eye", "right_eye", "left_iris", "right_iris"]
    refined = [g.op("Reshape", raw[f"output_{part}"], g.ints([0, -1, 2])) for part in parts]
    irises = np.arange(MESH_POINTS, MESH_POINTS + 2 * IRIS_POINTS).reshape(2, IRIS_POINTS)

    candidates = g.op("Concat", g.slice(mesh, 0, 2, axis=2), *refined, axis=1)
    source, start = np.arange(irises.max() + 1), MESH_POINTS
    for points in (lips, *eyes, *irises):
        source[points] = np.arange(start, start + len(points))
        start += len(points)
    xy = g.op("Gather", candidates, g.ints(source), axis=1)

    mesh_z = g.slice(mesh, 2, 3, axis=2)
    depths = [mesh_z]
    for eye in eyes:
        eyelids = g.op("Gather", mesh_z, g.ints(eye[:EYELID_POINTS]), axis=1)
        depth = g.op("ReduceMean", eyelids, axes=[1], keepdims=1)
        depths.append(g.op("Gather", depth, g.ints([0] * IRIS_POINTS), axis=1))
    xyz = g.op("Concat", xy, g.op("Concat", *depths, axis=1), axis=2)
    g.op("Mul", xyz, g.floats(1 / MESH_SIZE), out="landmarks")
    g.op("Sigmoid", g.op("Reshape", raw["conv_faceflag"], g.ints([-1])), out="presence")
    g.save(path, MESH_SIZE, {"landmarks": [len(source), 3], "presence": []})


def download_wheel(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*pip, *WHEEL_PLATFORM, "--dest", str(folder), WHEEL], check=True)
    return next(folder.glob("*.whl"))


def read_model(wheel: Path, name: str, sha256: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(name)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SystemExit(f"{wheel}: {name} is not the file this script was written for")
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description="Build face_detector.onnx and face_mesh.onnx.")
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {WHEEL}; otherwise from PyPI")
    parser.add_argument("--output", type=Path, default=ASSETS, help="folder of the files written")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.wheel or download_wheel(Path(folder))
        build_detector(read_model(wheel, *DETECTOR), arguments.output / "face_detector.onnx")
        build_mesh(read_model(wheel, *MESH), arguments.output / "face_mesh.onnx")
    notice = NOTICE.format(wheel=WHEEL, detector=DETECTOR, mesh=MESH)
    (arguments.output / "FACEMESH_NOTICE.txt").write_text(notice)


if __name__ == "__main__":
    main()
