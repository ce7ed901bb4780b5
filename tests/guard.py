"""Arrays that lie flush against memory which must not be touched: a read or write past their ends kills the process."""

import ctypes
import mmap

import numpy as np

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_PROT_NONE = 0


def guarded(n: int, where: str = "end", dtype=np.float32) -> np.ndarray:
    """An array of n elements that ends exactly at an unmapped page, or (where="start") begins right behind one."""
    size = n * np.dtype(dtype).itemsize
    page = mmap.PAGESIZE
    body = -(-max(size, 1) // page) * page
    memory = mmap.mmap(-1, body + 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for fence in (address, address + page + body):
        if _libc.mprotect(fence, page, _PROT_NONE) != 0:
            raise OSError(ctypes.get_errno(), "mprotect failed")
    offset = page + (body - size if where == "end" else 0)
    return np.frombuffer(memory, dtype, n, offset)


def flush(array: np.ndarray, where: str = "end") -> np.ndarray:
    """A one-dimensional copy of `array` in guarded memory."""
    copy = guarded(array.size, where, array.dtype)
    copy[:] = array.ravel()
    return copy
