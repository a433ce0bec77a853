#include "base/format.hpp"

#include <sstream>

namespace pleat {

std::string concat_all(std::initializer_list<Streamed> parts) {
  std::ostringstream out;
  for (const Streamed& part : parts) part.write(out, part.value);
  return out.str();
}

void fail_with(std::initializer_list<Streamed> parts) {
  throw Error(concat_all(parts));
}

}  // namespace pleat
