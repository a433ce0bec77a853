#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pleat/graph.hpp"

namespace pleat::models {

/// The tutorial's Net: Linear 10->20, BatchNorm1d, ReLU, Linear 20->10.
Graph net();
/// The tutorial's CustomModel: Linear, BatchNorm1d, ReLU, Linear, BatchNorm1d.
Graph custom(int64_t in_features, int64_t hidden, int64_t out_features);
/// Two hidden layers of BatchNorm1d and ReLU: Linear, BatchNorm1d, ReLU, Linear, BatchNorm1d, ReLU, Linear.
Graph mlp(int64_t in_features = 784, int64_t hidden = 512, int64_t out_features = 10);
/// The tutorial's MyModel: Conv2d 3->64 k3, BatchNorm2d, ReLU, global pool, Linear 64->10, BatchNorm1d.
/// x: (N, 3, size, size), or (N, 3, H, W) of any size for `size` kDynamic.
Graph mymodel(int64_t size = 32);
/// A small Conv-BatchNorm-ReLU network for images of 8x8 to 32x32: four 3x3 convolutions, two max pools,
/// global pool.
Graph small_cnn(int64_t channels, int64_t classes);
/// Residual network for CIFAR (He et al. 2016, section 4.2), 20 layers; shortcuts with 1x1 convolutions.
Graph resnet20(int64_t classes = 10);
/// Residual networks for ImageNet (He et al. 2016; the stride in the 3x3), as torchvision's, with its
/// parameter names.
Graph resnet18(int64_t classes = 1000);
Graph resnet50(int64_t classes = 1000);
/// MobileNetV2 (Sandler et al. 2018), as torchvision's, with its parameter names.
Graph mobilenetv2(int64_t classes = 1000);

/// What a built-in model is made for: the sizes that data gives.
struct Sizes {
  int64_t features = 64;  ///< per item, for models of flat input
  int64_t hidden = 128;
  int64_t channels = 3, height = 32, width = 32;
  int64_t classes = 10;
};

/// Names of the built-in models.
std::vector<std::string> names();
/// The sizes that the built-in model of that name is published with: resnet18 has 1000 classes and 3x224x224
/// images. Error as build().
Sizes default_sizes(std::string_view name);
/// The built-in model of that name, its sizes from `sizes` where it has a choice. Error lists the names for
/// an unknown one.
Graph build(std::string_view name, const Sizes* sizes = nullptr);

}  // namespace pleat::models
