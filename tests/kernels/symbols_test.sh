#!/bin/sh
# symbols_test.sh ARCHIVE...: each libkernels_ISA.a defines one symbol that others can see, its table, and
# nothing weak: the linker may keep any object's copy of a weak function, and that of AVX kills an older CPU.
failed=0
for archive; do
  isa=${archive##*kernels_}
  isa=${isa%.a}
  symbols=$(nm --defined-only --extern-only --demangle "$archive" | grep -E '^[0-9a-f]+ ' | cut -d' ' -f2-)
  case $symbols in
    [DR]" pleat::kernels::table_$isa") echo "$isa: only its table" ;;
    *)
      echo "$isa: needs one symbol, pleat::kernels::table_$isa, has:"
      echo "$symbols"
      failed=1
      ;;
  esac
done
exit $failed
