#include "api/keep_state.hpp"

#include <cstring>
#include <utility>

#include "api/model_impl.hpp"

namespace pleat {

KeepState::KeepState(Model& model) : now_(model.impl().weights) {
  for (const Tensor& tensor : now_) before_.push_back(tensor.clone());
}

KeepState::~KeepState() {
  for (size_t i = 0; i < now_.size(); ++i) {
    std::memcpy(now_[i].raw(), std::as_const(before_[i]).raw(), before_[i].bytes());
  }
}

}  // namespace pleat
