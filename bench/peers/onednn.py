"""oneDNN by its own benchdnn: {"median_us": ...} of y = x W^T, or with --probe whether it is there.

W is in oneDNN's own layout; the time is benchdnn's average: single ones it does not tell.
"""

import os
import re
import shutil
import subprocess

from timing import fail, options, report

args = options()
if not shutil.which("benchdnn"):
    fail("no benchdnn on the PATH")
if args.probe:
    report(version="benchdnn")
else:
    m, n, k = args.gemm
    done = subprocess.run(
        ["benchdnn", "--matmul", "--mode=P", f"--max-ms-per-prb={max(10, 1000 * args.seconds):g}",
         "--perf-template=average_ms=%0time%", "--stag=ab", "--wtag=any", "--dtag=ab", f"{m}x{k}:{k}x{n}"],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": str(args.threads)})
    found = re.search(r"average_ms=([0-9.eE+-]+)", done.stdout)
    if done.returncode != 0 or not found:
        fail(f"benchdnn: {(done.stdout + done.stderr).strip()[-200:]}")
    report(median_us=1e3 * float(found.group(1)))
