// Precompiled for every other source of the library, to build sooner; each file still includes what it uses.
#include "pch/run.hpp"

// What the generated ONNX messages include.
#include <google/protobuf/extension_set.h>
#include <google/protobuf/generated_message_util.h>
#include <google/protobuf/message_lite.h>
#include <google/protobuf/repeated_field.h>
