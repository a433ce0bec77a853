"""Prints how many tests passed and how many failed, from meson's testlog.json: a doctest program counts each
of its cases, another program counts as one."""

import json
import re
import sys

SUMMARY = re.compile(r"test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed")

passed = failed = 0
with open(sys.argv[1], encoding="utf-8") as log:
    for line in log:
        test = json.loads(line)
        summary = SUMMARY.search(test.get("stdout") or "")
        good, bad = (int(summary[1]), int(summary[2])) if summary else (0, 0)
        if test["result"] not in ("OK", "EXPECTEDFAIL"):
            bad = max(bad, 1)  # it crashed, timed out, or a sanitizer spoke after the last case
        elif not summary:
            good = 1
        passed += good
        failed += bad
print(passed, failed)
