"""Files that attack the reader of FLAME models: nothing of theirs runs, and one line says so."""

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.flame_fixture import Instance, Name, chumpy, dumps, sparse

from adamesh.errors import InputError
from adamesh.faces import flame
from adamesh.faces.flame import read_flame

HUGE = 2**43  # bytes


class Reduced:
    """Pickles as a call of a function."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


def text(value: str) -> bytes:
    """The instruction that puts a text on the stack."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def call(module: str, name: str, args: bytes) -> bytes:
    """A pickle that calls a function; args: the instructions that put the arguments on the stack."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(" + args + b"tR."


def made(kind: str, base: str, state: bytes) -> bytes:
    """A pickle of protocol 0 that makes an object; kind and base: module and name."""
    names = b"".join(b"c" + name.replace(" ", "\n").encode() + b"\n" for name in (kind, base))
    return b"ccopy_reg\n_reconstructor\n(" + names + state + b"tR."


def claiming(shape: tuple[int, ...]) -> bytes:
    """A model whose array has eight bytes and says that it has that shape."""
    array = Instance(Name("numpy.core.multiarray", "_reconstruct"), {})
    array.state = (1, shape, np.dtype("f8"), False, b"\0" * 8)
    return dumps({"f": array}, python2=True)


def matrix(**state: Any) -> bytes:
    """A model with a wrong sparse matrix."""
    regressor = sparse(np.eye(5), "scipy.sparse.csc")
    regressor.state |= state
    return dumps({"J_regressor": regressor}, python2=True)


def attacks(canary: Path) -> dict[str, bytes]:
    """Pickles that write the file `canary`, or try to take all memory or time, or are none."""
    shell = text(f"touch {canary}")
    source = f"__import__('pathlib').Path({str(canary)!r}).touch()"
    python = text(source)
    hidden = np.empty(1, object)
    hidden[0] = Reduced(exec, (source,))
    itself = b"cchumpy.ch\nCh\n)\x81q\x01}" + text("x") + b"h\x01sb"
    return {
        "os.system": call("os", "system", shell),
        "posix.system": call("posix", "system", shell),
        "subprocess": call("subprocess", "getoutput", shell),
        "eval": call("builtins", "eval", python),
        "eval of Python 2": call("__builtin__", "eval", python),
        "getattr": call("builtins", "getattr", b"cbuiltins\nobject\n" + text("__subclasses__")),
        "operator.attrgetter": call("operator", "attrgetter", text("system")),
        "dotted name": b"\x80\x04" + text("numpy") + text("os.system") + b"\x93(" + shell + b"tR.",
        "nested call": pickle.dumps({"f": Reduced(list, ([Reduced(exec, (source,))],))}),
        "call of an object": made("chumpy.ch Ch", "__builtin__ object", b"N")[:-1]
        + b"("
        + python
        + b"tR.",
        "array of objects": pickle.dumps({"f": hidden}, 2),
        "persistent id": b"\x80\x02" + text(str(canary)) + b"Q.",
        "persistent id of protocol 0": b"P" + str(canary).encode() + b"\n.",
        "state of a function": b"\x80\x02cbuiltins\nprint\n}" + text("__setstate__") + b"Nsb.",
        "state of an allowed name": b"\x80\x02cchumpy.ch\nCh\n}" + text("__call__") + b"Nsb.",
        "state of a dictionary": b"\x80\x02}}" + text("__setstate__") + b"Nsb.",
        "object of a forbidden class": made("subprocess Popen", "__builtin__ object", b"N"),
        "object of a function": made("os system", "__builtin__ str", shell),
        "object with a forbidden base": made("chumpy.ch Ch", "numpy dtype", python),
        "numpy.load": call("numpy", "load", text(str(canary))),
        "numpy.fromfile": call("numpy", "fromfile", text(str(canary))),
        "numpy.memmap": call("numpy", "memmap", text(str(canary))),
        "numpy's runstring": call("numpy.testing", "runstring", python + b"}"),
        "INST": b"(S'touch " + str(canary).encode() + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\n" + shell + b"o.",
        "NEWOBJ": b"\x80\x02csubprocess\nPopen\n(" + shell + b"t\x81.",
        "NEWOBJ_EX": b"\x80\x04csubprocess\nPopen\n(" + shell + b"t}\x92.",
        "EXT1": b"\x80\x02\x82\x01.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
        "codec": call("_codecs", "encode", text("0a") + text("hex")),
        "terabytes of an array": claiming((HUGE // 8,)),
        "shape that overflows": claiming((2**33, 2**33)),
        "shape below zero": claiming((-1, -1)),
        "shape of many axes": claiming((1,) * 10_000),
        "terabytes of a matrix": matrix(_shape=(5, HUGE)),
        "indices beyond a matrix": matrix(indices=np.full(5, 10**8, np.int32)),
        "pointers beyond a matrix": matrix(indptr=np.full(6, 10**8, np.int32)),
        "terabytes of a bytearray": b"\x80\x05\x96" + struct.pack("<Q", HUGE) + b".",
        "terabytes of a text": b"\x80\x04\x8d" + struct.pack("<Q", HUGE) + b".",
        "terabytes of a frame": b"\x80\x04\x95" + struct.pack("<Q", HUGE) + b"}.",
        "memo of 2^32 entries": b"\x80\x02}r\xff\xff\xff\xff.",
        "key that takes 2^64 steps to hash": b"\x80\x02})" + b"q\x01h\x01\x86" * 64 + b"Ns.",
        "array that holds itself": b"\x80\x02}" + text("f") + itself + b"s.",
        "list that holds itself": b"\x80\x02}" + text("f") + b"]q\x01h\x01as.",
        "truncated": dumps({"f": np.arange(100)}, python2=True)[:-100],
        "no pickle": b"solid cube\nfacet normal 0 0 1\n",
        "no pickle, binary": bytes(range(256)),
        "too little on the stack": b"\x80\x02R.",
        "no mark": b"\x80\x02t.",
        "nothing in the memo": b"\x80\x02h\x07.",
        "nothing at the end": b"\x80\x02.",
        "no dictionary": b"\x80\x02].",
        "text for an array": dumps({"f": source}, python2=True),
        "pickle for an array": dumps({"f": chumpy(pickle.dumps(hidden), old=True)}, python2=True),
    }


@pytest.mark.parametrize("attack", attacks(Path()))
def test_a_hostile_pickle_runs_nothing_and_gives_one_line(tmp_path: Path, attack: str) -> None:
    canary, path = tmp_path / "canary", tmp_path / "generic_model.pkl"
    path.write_bytes(attacks(canary)[attack])
    with pytest.raises(InputError) as refusal:
        read_flame(path)
    message = str(refusal.value)
    assert str(path) in message
    assert message.isprintable()  # so on one line
    assert len(message) < len(str(path)) + 200
    assert not canary.exists()


@pytest.mark.parametrize("attack", ["os.system", "eval", "nested call", "array of objects", "OBJ"])
def test_the_attacks_would_work(tmp_path: Path, attack: str) -> None:
    """The test of the test: Python's own unpickler falls for them."""
    canary = tmp_path / "canary"
    pickle.loads(attacks(canary)[attack])
    assert canary.exists()


@pytest.mark.parametrize("kind", ["objects", "terabytes", "bomb", "altered", "truncated"])
def test_a_hostile_npz_runs_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.npz"
    member = io.BytesIO()
    if kind == "objects":
        hidden = np.empty(1, object)
        hidden[0] = Reduced(exec, (f"open({str(canary)!r}, 'w').close()",))
        np.save(member, hidden, allow_pickle=True)
    elif kind == "terabytes":
        header = {"descr": "<f8", "fortran_order": False, "shape": (HUGE // 8,)}
        np.lib.format.write_array_header_1_0(member, header)
    else:
        np.save(member, np.zeros(2**18))
    if kind == "bomb":
        monkeypatch.setattr(flame, "MAX_BYTES", 2**20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("f.npy", member.getvalue())
    whole = path.read_bytes()
    if kind == "altered":
        path.write_bytes(whole[:60] + bytes(60) + whole[120:])
    elif kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    # What half an archive is taken for depends on the time of day that is in it.
    messages = {"bomb": "unpacks to 2 MiB", "truncated": "is refused: it "}
    message = messages.get(kind, "is refused: it is no")
    with pytest.raises(InputError, match=message) as refusal:
        read_flame(path)
    assert str(refusal.value).isprintable()
    assert not canary.exists()
