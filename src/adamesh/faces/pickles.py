"""Reads arrays out of a pickle without running it.

A pickle is a program for a stack machine whose instructions may import and call anything. Here the
machine is another one: the standard library decodes the instructions, and this module carries out
only those that build plain values. What a pickle would import becomes a `Name`, and what it would
call becomes a `Call`: both are inert records, and no function is ever looked up. Only then do the
few records that stand for numpy, scipy and chumpy arrays become arrays, from their raw numbers.

So Python 2's pickles of FLAME need neither chumpy nor Python 2, and a hostile one finds nothing that
would run it.
"""

import math
import os
import pickletools
from collections.abc import Collection
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import scipy.sparse

from adamesh.errors import InputError
from adamesh.files import check_input

MAX_BYTES = 2**29  # of a file: five times the largest FLAME model
_MAX_DENSE = 2**22  # numbers in a sparse matrix made dense: a joint regressor has 25 thousand


@dataclass(frozen=True, eq=False)
class Name:
    """What a pickle would import."""

    module: str
    name: str

    @property
    def key(self) -> tuple[str, str]:
        return self.module, self.name


@dataclass(eq=False)
class Call:
    """What a pickle would call or make, with what it would then set on the result."""

    target: Name
    args: tuple[Any, ...]
    state: Any = None


_OBJECT_MAKERS = {("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")}
_OBJECTS = {("__builtin__", "object"), ("builtins", "object")}
_ENCODERS = {("_codecs", "encode")}
_ARRAY_MAKERS = {(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
_BUFFER_MAKERS = {(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")}
_ARRAY, _DTYPE = ("numpy", "ndarray"), ("numpy", "dtype")
_NUMBERS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"}
_CHUMPY = {("chumpy.ch", "Ch"), ("chumpy", "Ch")}
_SPARSE = {
    (module, f"{kind}_{what}"): kind
    for kind in ("csc", "csr")
    for what in ("matrix", "array")
    for module in (f"scipy.sparse.{kind}", f"scipy.sparse._{kind}")
}
_KNOWN = {
    *(_OBJECT_MAKERS | _OBJECTS | _ENCODERS | _ARRAY_MAKERS | _BUFFER_MAKERS | _CHUMPY),
    *(_ARRAY, _DTYPE),
    *_SPARSE,
}


def read_pickled_arrays(
    path: str | os.PathLike[str], keys: Collection[str]
) -> dict[str, np.ndarray]:
    """Arrays out of the dictionary that a pickle holds.

    Args:
        path: a pickle of any protocol, of Python 2 or 3. chumpy arrays come out as the numbers they
            hold, sparse matrices dense.
        keys: those wanted; what is not there is left out.
    Raises:
        InputError: it is no pickle, it is cut off, it names anything but arrays, or it holds no
            dictionary.
    """
    path = check_input(path, "face model")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"face model '{path}' has {path.stat().st_size / 2**20:.0f} MiB; "
            f"expected a FLAME model, of less than {MAX_BYTES // 2**20}: check the path"
        )
    try:
        content = _Machine().run(path.read_bytes())
        if not isinstance(content, dict):
            raise _Refused("it holds no dictionary of arrays")
        return {key: _array(content[key]) for key in keys if key in content}
    except _Refused as refusal:
        raise InputError(
            f"face model '{path}' is refused: {refusal}; download it again from its makers"
        ) from refusal.__cause__


class _Refused(Exception):  # noqa: N818, never leaves this module
    """Why a pickle is not read, as a part of a sentence."""


# What wrong instructions and wrong records lead to, here and in the decoder.
_BROKEN = (ValueError, TypeError, AttributeError, LookupError, OverflowError)


# --- the machine ----------------------------------------------------------------------------------

_MARK = object()


class _Machine:
    """Carries a pickle's instructions out on inert values."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        done = None
        try:
            for opcode, argument, _ in pickletools.genops(BytesIO(data)):
                if opcode.name == "STOP":
                    return self.stack.pop()
                self.step(opcode.name, argument)
                done = opcode.name
        except _BROKEN as error:
            what = "it is no pickle" if done is None else f"it breaks off or is broken after {done}"
            raise _Refused(what) from error
        raise AssertionError("the decoder ends with STOP or an error")

    def step(self, opcode: str, argument: Any) -> None:
        """One instruction; they are described in `pickletools`."""
        stack, memo = self.stack, self.memo
        match opcode:
            case "PROTO" | "FRAME":
                pass
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1" | "LONG4":
                stack.append(argument)
            case "FLOAT" | "BINFLOAT" | "STRING" | "BINSTRING" | "SHORT_BINSTRING":
                stack.append(argument)
            case "UNICODE" | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
                stack.append(argument)
            case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "BYTEARRAY8":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode])
            case "MARK":
                stack.append(_MARK)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self.pop(int(opcode[-1]))))
            case "TUPLE":
                stack.append(tuple(self.pop_to_mark()))
            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                stack.append(self.pop_to_mark())
            case "APPEND":
                self.extend(self.pop(1))
            case "APPENDS":
                self.extend(self.pop_to_mark())
            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                items = self.pop_to_mark()
                stack.append({})
                self.update(items)
            case "SETITEM":
                self.update(self.pop(2))
            case "SETITEMS":
                self.update(self.pop_to_mark())
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(self.name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(self.name(*self.pop(2)))
            case "REDUCE" | "NEWOBJ":
                stack.append(self.call(*self.pop(2)))
            case "BUILD":
                (state,) = self.pop(1)
                if not isinstance(stack[-1], Call):
                    raise _Refused("it would change what is no array")
                stack[-1].state = state
            case _:
                raise _Refused(f"it has the instruction {opcode}, which no array needs")

    def pop(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        if len(items) < count:
            raise IndexError("too little on the stack")
        del self.stack[-count:]
        return items

    def pop_to_mark(self) -> list[Any]:
        at = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("no list to append to")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        keys, values = items[::2], items[1::2]
        # Text only: a tuple of tuples of tuples ... would take for ever to hash.
        if not isinstance(self.stack[-1], dict) or not all(isinstance(key, str) for key in keys):
            raise TypeError("no dictionary, or keys that are no texts")
        self.stack[-1].update(zip(keys, values, strict=True))

    @staticmethod
    def name(module: Any, name: Any) -> Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name that is no text")
        if (module, name) not in _KNOWN:
            raise _Refused(f"it asks for {_short(f'{module}.{name}')}, which is no array")
        return Name(module, name)

    @staticmethod
    def call(target: Any, args: Any) -> Any:
        if not isinstance(target, Name) or not isinstance(args, tuple):
            raise TypeError("a call of what cannot be called")
        if target.key in _ENCODERS:  # how protocol 2 writes the bytes of Python 3
            text, encoding = args
            if encoding != "latin1":
                raise TypeError("bytes in another encoding")
            return text.encode("latin-1")
        if target.key in _OBJECT_MAKERS:  # how protocol 0 and 1 make an object of any class
            kind, base, state = args
            if not isinstance(kind, Name) or base.key not in _OBJECTS or state is not None:
                raise TypeError("an object of what is no class")
            return Call(kind, ())
        return Call(target, args)


# --- from records to arrays -----------------------------------------------------------------------


def _array(value: Any) -> np.ndarray:
    """The numbers that a record stands for."""
    try:
        if isinstance(value, Call) and value.target.key in _CHUMPY:
            value = value.state["x"]
        if isinstance(value, Call) and value.target.key in _SPARSE:
            return _dense(value.state, _SPARSE[value.target.key])
        return _numbers(value)
    except _BROKEN as error:
        raise _Refused("it has something else where an array belongs") from error


def _numbers(value: Call) -> np.ndarray:
    """A numpy array from the record of one; its data must be just what its shape needs."""
    if value.target.key in _ARRAY_MAKERS:
        _version, shape, dtype, fortran, raw = value.state
        order = "F" if fortran else "C"
    elif value.target.key in _BUFFER_MAKERS:
        raw, dtype, shape, order = value.args
    else:
        raise TypeError("no array")
    if isinstance(raw, str):  # of Python 2
        raw = raw.encode("latin-1")
    if not isinstance(raw, bytes | bytearray):
        raise _Refused("an array in it holds objects, not numbers")
    kind = _number_type(dtype)
    if len(shape) > 3 or not all(isinstance(n, int) and 0 <= n < 2**63 for n in shape):
        raise TypeError("no shape")
    if math.prod(shape) * kind.itemsize != len(raw):
        raise _Refused(f"an array in it claims the shape {shape} and has {len(raw)} bytes")
    return np.frombuffer(raw, kind).reshape(shape, order="F" if order == "F" else "C")


def _number_type(dtype: Call) -> np.dtype:
    """The type of numbers that the record of a numpy.dtype stands for."""
    code, byte_order = dtype.args[0], "=" if dtype.state is None else dtype.state[1]
    if dtype.target.key != _DTYPE or byte_order not in ("<", ">", "|", "="):
        raise TypeError("no type of numbers")
    if not isinstance(code, str) or code not in _NUMBERS:
        raise _Refused("an array in it holds something else than numbers")
    return np.dtype(code if byte_order == "|" else byte_order + code)


def _dense(state: dict[str, Any], kind: str) -> np.ndarray:
    """The matrix of a scipy.sparse object's state."""
    rows, columns = state["_shape"] if "_shape" in state else state["shape"]
    data, indices, indptr = (_numbers(state[key]) for key in ("data", "indices", "indptr"))
    if not (isinstance(rows, int) and isinstance(columns, int) and rows > 0 and columns > 0):
        raise TypeError("no shape of a matrix")
    if rows * columns > _MAX_DENSE:
        raise _Refused(f"a matrix in it claims {rows} times {columns} numbers")
    make = scipy.sparse.csc_array if kind == "csc" else scipy.sparse.csr_array
    matrix = make((data, indices, indptr), shape=(rows, columns))
    matrix.check_format(full_check=True)  # else wrong indices would write beyond the matrix
    return matrix.toarray()


def _short(text: str) -> str:
    """A stranger's text on one line."""
    return ascii(text)[1:-1][:60]
