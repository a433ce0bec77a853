"""OpenBLAS: {"median_us": ..., "min_us": ...} of y = x W^T by cblas_sgemm, or with --probe the version.

A call from Python costs about 1 us.
"""

import ctypes
import ctypes.util
import random
from array import array

from timing import fail, options, report, times_us

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112


def load():
    for name in ("libopenblas.so.0", ctypes.util.find_library("openblas")):
        try:
            if name:
                return ctypes.CDLL(name)
        except OSError:
            continue
    fail("no libopenblas")


def random_floats(count):
    some = array("f", [random.uniform(-1, 1) for _ in range(1021)])
    return (ctypes.c_float * count).from_buffer(some * (count // len(some) + 1))


args = options()
blas = load()
if args.probe:
    blas.openblas_get_config.restype = ctypes.c_char_p
    report(version=blas.openblas_get_config().decode().removeprefix("OpenBLAS ").split()[0])
else:
    m, n, k = args.gemm
    x, w, y = random_floats(m * k), random_floats(n * k), random_floats(m * n)
    one, zero = ctypes.c_float(1), ctypes.c_float(0)
    blas.openblas_set_num_threads(args.threads)
    report(**times_us(
        lambda: blas.cblas_sgemm(ROW_MAJOR, PLAIN, TRANSPOSED, m, n, k, one, x, k, w, k, zero, y, n), args.seconds))
