#pragma once

#include <cstdint>

namespace pleat::bench {

/// A convolution with a square kernel on square images, padded by half the kernel.
struct ConvLayer {
  const char* network;
  int64_t batch, channels, size, out_channels, kernel, stride, groups = 1;
};

// Every shape of convolution in these networks, each once, in their order.
inline constexpr ConvLayer kConvLayers[] = {
    // ResNet-20 on CIFAR, a training batch
    {"resnet20", 128, 3, 32, 16, 3, 1},
    {"resnet20", 128, 16, 32, 16, 3, 1},
    {"resnet20", 128, 16, 32, 32, 3, 2},
    {"resnet20", 128, 32, 16, 32, 3, 1},
    {"resnet20", 128, 32, 16, 64, 3, 2},
    {"resnet20", 128, 64, 8, 64, 3, 1},
    {"mymodel", 64, 3, 32, 64, 3, 1},

    {"resnet18", 1, 3, 224, 64, 7, 2},
    {"resnet18", 1, 64, 56, 64, 3, 1},
    {"resnet18", 1, 64, 56, 128, 3, 2},
    {"resnet18", 1, 64, 56, 128, 1, 2},
    {"resnet18", 1, 128, 28, 128, 3, 1},
    {"resnet18", 1, 128, 28, 256, 3, 2},
    {"resnet18", 1, 128, 28, 256, 1, 2},
    {"resnet18", 1, 256, 14, 256, 3, 1},
    {"resnet18", 1, 256, 14, 512, 3, 2},
    {"resnet18", 1, 256, 14, 512, 1, 2},
    {"resnet18", 1, 512, 7, 512, 3, 1},
    {"resnet18", 16, 64, 56, 64, 3, 1},
    {"resnet18", 16, 512, 7, 512, 3, 1},

    {"resnet50", 1, 3, 224, 64, 7, 2},
    {"resnet50", 1, 64, 56, 64, 1, 1},
    {"resnet50", 1, 64, 56, 64, 3, 1},
    {"resnet50", 1, 64, 56, 256, 1, 1},
    {"resnet50", 1, 256, 56, 64, 1, 1},
    {"resnet50", 1, 256, 56, 128, 1, 1},
    {"resnet50", 1, 128, 56, 128, 3, 2},
    {"resnet50", 1, 128, 28, 512, 1, 1},
    {"resnet50", 1, 256, 56, 512, 1, 2},
    {"resnet50", 1, 512, 28, 128, 1, 1},
    {"resnet50", 1, 128, 28, 128, 3, 1},
    {"resnet50", 1, 512, 28, 256, 1, 1},
    {"resnet50", 1, 256, 28, 256, 3, 2},
    {"resnet50", 1, 256, 14, 1024, 1, 1},
    {"resnet50", 1, 512, 28, 1024, 1, 2},
    {"resnet50", 1, 1024, 14, 256, 1, 1},
    {"resnet50", 1, 256, 14, 256, 3, 1},
    {"resnet50", 1, 1024, 14, 512, 1, 1},
    {"resnet50", 1, 512, 14, 512, 3, 2},
    {"resnet50", 1, 512, 7, 2048, 1, 1},
    {"resnet50", 1, 1024, 14, 2048, 1, 2},
    {"resnet50", 1, 2048, 7, 512, 1, 1},
    {"resnet50", 1, 512, 7, 512, 3, 1},

    {"mobilenetv2", 1, 3, 224, 32, 3, 2},
    {"mobilenetv2", 1, 32, 112, 32, 3, 1, 32},
    {"mobilenetv2", 1, 32, 112, 16, 1, 1},
    {"mobilenetv2", 1, 16, 112, 96, 1, 1},
    {"mobilenetv2", 1, 96, 112, 96, 3, 2, 96},
    {"mobilenetv2", 1, 96, 56, 24, 1, 1},
    {"mobilenetv2", 1, 24, 56, 144, 1, 1},
    {"mobilenetv2", 1, 144, 56, 144, 3, 1, 144},
    {"mobilenetv2", 1, 144, 56, 24, 1, 1},
    {"mobilenetv2", 1, 144, 56, 144, 3, 2, 144},
    {"mobilenetv2", 1, 144, 28, 32, 1, 1},
    {"mobilenetv2", 1, 32, 28, 192, 1, 1},
    {"mobilenetv2", 1, 192, 28, 192, 3, 1, 192},
    {"mobilenetv2", 1, 192, 28, 32, 1, 1},
    {"mobilenetv2", 1, 192, 28, 192, 3, 2, 192},
    {"mobilenetv2", 1, 192, 14, 64, 1, 1},
    {"mobilenetv2", 1, 64, 14, 384, 1, 1},
    {"mobilenetv2", 1, 384, 14, 384, 3, 1, 384},
    {"mobilenetv2", 1, 384, 14, 64, 1, 1},
    {"mobilenetv2", 1, 384, 14, 96, 1, 1},
    {"mobilenetv2", 1, 96, 14, 576, 1, 1},
    {"mobilenetv2", 1, 576, 14, 576, 3, 1, 576},
    {"mobilenetv2", 1, 576, 14, 96, 1, 1},
    {"mobilenetv2", 1, 576, 14, 576, 3, 2, 576},
    {"mobilenetv2", 1, 576, 7, 160, 1, 1},
    {"mobilenetv2", 1, 160, 7, 960, 1, 1},
    {"mobilenetv2", 1, 960, 7, 960, 3, 1, 960},
    {"mobilenetv2", 1, 960, 7, 160, 1, 1},
    {"mobilenetv2", 1, 960, 7, 320, 1, 1},
    {"mobilenetv2", 1, 320, 7, 1280, 1, 1},

    {"vgg16", 1, 3, 224, 64, 3, 1},
    {"vgg16", 1, 64, 224, 64, 3, 1},
    {"vgg16", 1, 64, 112, 128, 3, 1},
    {"vgg16", 1, 128, 112, 128, 3, 1},
    {"vgg16", 1, 128, 56, 256, 3, 1},
    {"vgg16", 1, 256, 56, 256, 3, 1},
    {"vgg16", 1, 256, 28, 512, 3, 1},
    {"vgg16", 1, 512, 28, 512, 3, 1},
    {"vgg16", 1, 512, 14, 512, 3, 1},
};

}  // namespace pleat::bench
