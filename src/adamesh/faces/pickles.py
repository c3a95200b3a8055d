"""Reads arrays out of a pickle without running it.

A pickle is a program for a stack machine whose instructions may import and call anything. Here the
machine is another one: the standard library decodes the instructions, and this module carries out
only those that build plain values. What a pickle would import becomes a `Name`, and what it would
call becomes a `Call`: both are inert records, and no function is ever looked up. Only then do the
few records that stand for numpy, scipy and chumpy arrays become arrays, from their raw numbers.

So Python 2's pickles of FLAME need neither chumpy nor Python 2, and a hostile one finds nothing that
would run it.
"""

import os
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import scipy.sparse

from adamesh.errors import InputError
from adamesh.files import check_input

MAX_BYTES = 2**30  # of a file; the largest FLAME models have about a tenth


@dataclass(frozen=True, eq=False)
class Name:
    """What a pickle would import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Call:
    """What a pickle would call or make, with what it would then set on the result."""

    target: Name
    args: tuple[Any, ...]
    state: Any = None


_MARK = object()

_OBJECT_MAKERS = {("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")}
_OBJECTS = {("__builtin__", "object"), ("builtins", "object")}
_ARRAY_MAKERS = {(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
_BUFFER_MAKERS = {(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")}
_SCALAR_MAKERS = {(f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")}
_NUMPY_TYPES = {("numpy", "ndarray"), ("numpy", "dtype")}
_ENCODERS = {("_codecs", "encode")}
_CHUMPY = {("chumpy.ch", "Ch"), ("chumpy", "Ch")}
_SPARSE = {
    (module, f"{kind}_{what}"): kind
    for kind in ("csc", "csr")
    for what in ("matrix", "array")
    for module in (f"scipy.sparse.{kind}", f"scipy.sparse._{kind}", "scipy.sparse")
}
_KNOWN = (
    _OBJECT_MAKERS
    | _OBJECTS
    | _ARRAY_MAKERS
    | _BUFFER_MAKERS
    | _SCALAR_MAKERS
    | _NUMPY_TYPES
    | _ENCODERS
    | _CHUMPY
    | set(_SPARSE)
)


def read_pickled_arrays(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The dictionary that a pickle holds, arrays as numpy arrays, everything else left out.

    Args:
        path: a pickle of any protocol, of Python 2 or 3. chumpy arrays come out as the numbers they
            hold, sparse matrices dense.
    Raises:
        InputError: it is no pickle, it is cut off, it names anything but arrays, or it holds no
            dictionary.
    """
    path = check_input(path, "face model")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"face model '{path}' has {path.stat().st_size / 2**30:.1f} GiB; "
            f"a FLAME model has less than {MAX_BYTES // 2**30}"
        )
    try:
        content = _evaluate(path.read_bytes())
        if not isinstance(content, dict):
            raise _Refused("it holds no dictionary of arrays")
        arrays = {key: _array(value) for key, value in content.items()}
    except _Refused as refusal:
        raise InputError(
            f"face model '{path}' was not read: {refusal}; download the file again from its makers"
        ) from None
    return {key: value for key, value in arrays.items() if value is not None}


class _Refused(Exception):  # noqa: N818, not an error of ours: it never leaves this module
    """Why a pickle is not read, as part of a sentence."""


# --- the machine ----------------------------------------------------------------------------------


def _evaluate(data: bytes) -> Any:
    """Carries a pickle's instructions out on inert values."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    opcode = None
    try:
        for opcode, argument, _ in pickletools.genops(BytesIO(data)):
            if opcode.name == "STOP":
                return stack.pop()
            if opcode.name not in _STEPS:
                raise _Refused(f"it has the instruction {opcode.name}, which no array needs")
            _STEPS[opcode.name](stack, memo, argument)
    except _Refused:
        raise
    except (IndexError, KeyError, TypeError, ValueError, UnicodeError, OverflowError) as error:
        # The decoder's complaints (no pickle, or cut off), and instructions that find too little
        # on the stack or a value of another kind.
        if opcode is None:
            raise _Refused("it is not a pickle") from error
        raise _Refused(f"it is broken or cut off after the instruction {opcode.name}") from error
    raise _Refused("it is cut off")


def _push(stack: list[Any], _: dict[int, Any], argument: Any) -> None:
    stack.append(argument)


def _constant(value: Any) -> Callable[..., None]:
    return lambda stack, memo, argument: stack.append(value)


def _new(kind: type) -> Callable[..., None]:
    return lambda stack, memo, argument: stack.append(kind())


def _since_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1
    while stack[at] is not _MARK:  # IndexError without one
        at -= 1
        if at < 0:
            raise IndexError
    items = stack[at + 1 :]
    del stack[at:]
    return items


def _tuple_of(count: int) -> Callable[..., None]:
    def step(stack: list[Any], _: dict[int, Any], __: Any) -> None:
        items = [stack.pop() for _ in range(count)]
        stack.append(tuple(reversed(items)))

    return step


def _global(stack: list[Any], module: str, name: str) -> None:
    if (module, name) not in _KNOWN:
        raise _Refused(f"it would run {_printable(f'{module}.{name}')}, which is no array")
    stack.append(Name(module, name))


def _stack_global(stack: list[Any], _: dict[int, Any], __: Any) -> None:
    name, module = stack.pop(), stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise TypeError
    _global(stack, module, name)


def _call(stack: list[Any], _: dict[int, Any], __: Any) -> None:
    args, target = stack.pop(), stack.pop()
    if not isinstance(args, tuple) or not isinstance(target, Name):
        raise TypeError
    if (target.module, target.name) in _ENCODERS:
        # How protocol 2 writes the bytes of Python 3.
        text, encoding = args
        if encoding not in ("latin1", "latin-1"):
            raise _Refused(f"it has bytes in the encoding {_printable(encoding)}")
        stack.append(text.encode("latin-1"))
    elif (target.module, target.name) in _OBJECT_MAKERS:
        kind, base, _ = args
        if not isinstance(kind, Name) or not isinstance(base, Name):
            raise TypeError
        stack.append(Call(kind, ()))
    else:
        stack.append(Call(target, args))


def _build(stack: list[Any], _: dict[int, Any], __: Any) -> None:
    state = stack.pop()
    if not isinstance(stack[-1], Call):
        raise _Refused("it would change what is not an array")
    stack[-1].state = state


def _append(stack: list[Any], items: list[Any]) -> None:
    if not isinstance(stack[-1], list):
        raise TypeError
    stack[-1].extend(items)


def _set_items(stack: list[Any], items: list[Any]) -> None:
    keys, values = items[::2], items[1::2]
    if not isinstance(stack[-1], dict) or not all(isinstance(key, str) for key in keys):
        raise TypeError  # a nested tuple as a key would take for ever to hash
    stack[-1].update(zip(keys, values, strict=True))


def _dict(stack: list[Any], _: dict[int, Any], __: Any) -> None:
    items = _since_mark(stack)
    stack.append({})
    _set_items(stack, items)


def _put(stack: list[Any], memo: dict[int, Any], argument: int) -> None:
    memo[argument] = stack[-1]


_STEPS: dict[str, Callable[[list[Any], dict[int, Any], Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda stack, memo, argument: None),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        _push,
    ),
    **dict.fromkeys(
        ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
        _push,
    ),
    **dict.fromkeys(
        ("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), _push
    ),
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    "MARK": _constant(_MARK),
    "EMPTY_LIST": _new(list),
    "EMPTY_DICT": _new(dict),
    "EMPTY_TUPLE": _new(tuple),
    "TUPLE": lambda stack, memo, argument: stack.append(tuple(_since_mark(stack))),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "LIST": lambda stack, memo, argument: stack.append(_since_mark(stack)),
    "DICT": _dict,
    "APPEND": lambda stack, memo, argument: _append(stack, [stack.pop()]),
    "APPENDS": lambda stack, memo, argument: _append(stack, _since_mark(stack)),
    "SETITEM": lambda stack, memo, argument: _set_items(stack, [stack.pop(-2), stack.pop()]),
    "SETITEMS": lambda stack, memo, argument: _set_items(stack, _since_mark(stack)),
    "POP": lambda stack, memo, argument: stack.pop(),
    "DUP": lambda stack, memo, argument: stack.append(stack[-1]),
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": lambda stack, memo, argument: _put(stack, memo, len(memo)),
    "GET": lambda stack, memo, argument: stack.append(memo[argument]),
    "BINGET": lambda stack, memo, argument: stack.append(memo[argument]),
    "LONG_BINGET": lambda stack, memo, argument: stack.append(memo[argument]),
    "GLOBAL": lambda stack, memo, argument: _global(stack, *argument.split(" ", 1)),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "BUILD": _build,
}


# --- from records to arrays -----------------------------------------------------------------------


def _array(value: Any) -> Any:
    """The array that a value stands for; None for text, numbers and what holds no numbers."""
    if not isinstance(value, Call):
        return None
    key = (value.target.module, value.target.name)
    try:
        if key in _ARRAY_MAKERS:
            _version, shape, dtype, fortran, raw = value.state
            return _from_raw(raw, dtype, shape, "F" if fortran else "C")
        if key in _BUFFER_MAKERS:
            raw, dtype, shape, order = value.args
            return _from_raw(raw, dtype, shape, order)
        if key in _SCALAR_MAKERS:
            dtype, raw = value.args
            return _from_raw(raw, dtype, (), "C")
        if key in _CHUMPY:
            return _array(value.state["x"])
        if key in _SPARSE:
            return _dense(value.state, _SPARSE[key])
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise _Refused(f"an array in it is broken ({value.target})") from error
    raise _Refused(f"it has {value.target} where an array belongs")


def _from_raw(raw: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    """An array of numbers from its bytes; their count must be the one that the shape needs."""
    kind = _number_type(dtype)
    if isinstance(raw, str):  # of Python 2
        raw = raw.encode("latin-1")
    shape = (shape,) if isinstance(shape, int) else shape
    if not isinstance(raw, bytes | bytearray):
        raise _Refused("an array in it holds objects, not numbers")
    if not all(isinstance(n, int) and n >= 0 for n in shape):
        raise TypeError
    count = 1
    for n in shape:
        count *= n  # Python's integers do not overflow
    if count * kind.itemsize != len(raw):
        raise _Refused(f"an array in it claims the shape {_printable(shape)} and has other data")
    return np.frombuffer(raw, kind).reshape(shape, order="F" if order == "F" else "C").copy()


def _number_type(dtype: Any) -> np.dtype:
    """The type of numbers that a pickled numpy.dtype stands for."""
    if not isinstance(dtype, Call) or (dtype.target.module, dtype.target.name) != (
        "numpy",
        "dtype",
    ):
        raise TypeError
    code = dtype.args[0]
    if not isinstance(code, str) or code not in _NUMBERS:
        raise _Refused(f"an array in it is of the type {_printable(code)}, not of numbers")
    byte_order = dtype.state[1] if dtype.state is not None else "="
    if byte_order not in ("<", ">", "|", "="):
        raise TypeError
    return np.dtype(code).newbyteorder(byte_order)


_NUMBERS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}


def _dense(state: dict[str, Any], kind: str) -> np.ndarray:
    """A sparse matrix from its state, dense."""
    shape = state["_shape"] if "_shape" in state else state["shape"]
    data, indices, indptr = (_array(state[key]) for key in ("data", "indices", "indptr"))
    rows, columns = shape
    # Before anything is allocated: a joint regressor has a few rows of thousands.
    if not 0 < rows * columns <= MAX_BYTES // 64:
        raise _Refused(f"a matrix in it claims the shape {_printable(shape)}")
    make = scipy.sparse.csc_array if kind == "csc" else scipy.sparse.csr_array
    matrix = make((data, indices, indptr), shape=(rows, columns))
    matrix.check_format(full_check=True)  # indices beyond the matrix would write beyond it
    return matrix.toarray()


def _printable(value: Any) -> str:
    """A stranger's text, short and on one line."""
    text = value if isinstance(value, str) else repr(value)
    return ascii(text)[1:-1][:60]
