"""Every network that torchvision defines too, compared with its own definition: ``python -m benchmarks.families [NETWORK …]``.

``differences`` measures and writes the table; ``torch_networks`` makes torchvision's networks, random weights and images for it and for
the tests of cyconv.models.
"""
