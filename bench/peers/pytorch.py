"""PyTorch on the CPU: {"median_us": ...} of torchvision's network of that name, or with --probe the version."""

from pathlib import Path

from timing import fail, median_us, options, report

try:
    import torch
    from torchvision import models
except ImportError as error:
    fail(str(error))


def builder(network):
    """resnet50 and mobilenetv2 (torchvision's mobilenet_v2), also as the name of a file."""
    name = Path(network).stem.replace("_", "")
    for found, build in vars(models).items():
        if found.islower() and callable(build) and found.replace("_", "") == name:
            return build
    fail(f"torchvision has no network {name}")


args = options()
if args.probe:
    report(version=torch.__version__)
else:
    torch.set_num_threads(args.threads)
    network = builder(args.network)().eval()
    images = torch.randn(args.batch, 3, args.size, args.size)
    with torch.inference_mode():
        report(median_us=median_us(lambda: network(images), args.seconds))
