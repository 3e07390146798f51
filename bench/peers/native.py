"""attune_peer.cpp through ctypes: Attune's kernels, and the limits of the machine."""
import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p
from functools import cache

COMPUTE_DTYPE = "ATTUNE_PEER_COMPUTE_DTYPE"  # of Attune's products, what __main__ tells the measuring processes; unset: f32


class Inputs(ctypes.Structure):
    """attune_peer_inputs of attune_peer.cpp."""

    _fields_ = [
        *((name, c_int64) for name in ("batch", "num_heads", "num_kv_heads", "seq_len_q", "seq_len_kv")),
        *((name, c_void_p) for name in ("query", "key", "value")),
        ("params", POINTER(c_void_p)),
        ("row_offsets", c_void_p),
        ("columns", c_void_p),
        ("threads", c_int32),
    ]


@cache
def library() -> ctypes.CDLL:
    """The library that $ATTUNE_PEER_LIBRARY names; ./dev bench peers builds it and sets the variable."""
    loaded = ctypes.CDLL(os.environ["ATTUNE_PEER_LIBRARY"])
    for name, result, arguments in (
        ("error", c_char_p, []),
        ("prepare", c_void_p, [c_char_p, POINTER(Inputs)]),
        ("run", c_int, [c_void_p]),
        ("output", c_void_p, [c_void_p]),
        ("visible_pairs", c_int64, [c_void_p]),
        ("bytes", c_int64, [c_void_p]),
        ("text", c_char_p, [c_void_p]),
        ("free", None, [c_void_p]),
        ("peak_gflops", c_double, [c_char_p, c_char_p, c_int, c_double]),
        ("read_gbs", c_double, [c_int, c_double]),
        ("versions", c_char_p, []),
    ):
        function = getattr(loaded, f"attune_peer_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded


def check(succeeded: object) -> None:
    if not succeeded:
        raise RuntimeError(library().attune_peer_error().decode())
