"""PyTorch on the CPU, eager: {"median_us": ..., "min_us": ...} of a network of that name, or with --probe the version.
With --train of a training step (cross entropy, SGD with momentum), in the faster of the two layouts of images."""

from timing import fail, options, report, times_us

try:
    import torch
    import pytorch_networks
except ImportError as error:
    fail(str(error))


def training_step(network, inputs, labels):
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()

    return step


def training_times(build, inputs, labels, seconds):
    layouts = [torch.contiguous_format] + ([torch.channels_last] if inputs.dim() == 4 else [])
    times = []
    for layout in layouts:
        network = build().train().to(memory_format=layout)
        step = training_step(network, inputs.contiguous(memory_format=layout), labels)
        times.append(times_us(step, seconds / len(layouts)))
    return min(times, key=lambda layout: layout["median_us"])


args = options()
if args.probe:
    report(version=torch.__version__)
else:
    torch.set_num_threads(args.threads)
    found = pytorch_networks.find(args.network, args.size)
    if found is None:
        fail(f"there is no network {args.network} in torchvision, nor among those of pytorch_networks.py")
    build, item, classes = found
    inputs = torch.randn(args.batch, *item)
    if args.train:
        labels = torch.randint(classes, (args.batch,))
        report(**training_times(build, inputs, labels, args.seconds))
    else:
        network = build().eval()
        with torch.inference_mode():
            report(**times_us(lambda: network(inputs), args.seconds))
