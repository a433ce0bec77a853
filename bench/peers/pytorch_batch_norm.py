"""PyTorch on the CPU: {"median_us": ..., "min_us": ...} of batch norm with ReLU in training, forward and backward, of x
(N, C, H, W) in one of the two layouts, or with --probe the version."""

from timing import fail, options, report, times_us

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    fail(str(error))

LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}

args = options()
if args.probe:
    report(version=torch.__version__)
else:
    torch.set_num_threads(args.threads)
    channels = args.batch_norm[1]
    x, dy = (torch.randn(args.batch_norm).contiguous(memory_format=LAYOUTS[args.layout]) for _ in range(2))
    weight, bias = torch.rand(channels, requires_grad=True), torch.randn(channels, requires_grad=True)
    mean, var = torch.zeros(channels), torch.ones(channels)
    x.requires_grad_()

    def forward_backward():
        x.grad = weight.grad = bias.grad = None
        functional.relu(functional.batch_norm(x, mean, var, weight, bias, training=True), inplace=True).backward(dy)

    report(**times_us(forward_backward, args.seconds))
