"""What torchvision 0.28.0 says of its networks: a digest of names and shapes (torch_models.keys_digest), and what it publishes.

For the families of test_torchvision.py; those that have tests of their own keep theirs in torch_models.py. Without torchvision's
compiled part its definitions can be used after two of its operators were declared, which :func:`torchvision_models` does.
"""

from importlib.util import find_spec
from pathlib import Path

import torch

# Digest of the keys, multiply-adds (1e9) at the size of INPUT_SHAPES, parameters.
FACTS: dict[str, tuple[str, float, int]] = {
    "convnext_base": ("7a4c459fd822b7d178139fa9140995004af25199ceffb694a33346ceeda38f32", 15.355, 88591464),
    "convnext_large": ("081e7faa1aa9cc21f482452b24f32b17f68f46b551872212a2faa3bb09a1b1e5", 34.361, 197767336),
    "convnext_small": ("92e28edd02cca7d0eadec2932de4b5a4ae61866ff54a78883efaf9e49f77eb53", 8.684, 50223688),
    "convnext_tiny": ("2bc10f3450aaa086deb8bfb26e9dbb5a94ea077ce83990cfaabc56962031e97d", 4.456, 28589128),
    "densenet121": ("aa0fd9923b0003b813430af55d9350bcf2555273dedae08042b92025727ccac8", 2.834, 7978856),
    "densenet161": ("82d337d48f910d3a9181ff990cb606f96463691a9242db74d665bc39bb13c315", 7.728, 28681000),
    "densenet169": ("e2d0f02d9c0ce650d84c9133534205af8eb2a087753b55f791533e72fa5b4f92", 3.36, 14149480),
    "densenet201": ("0d234ad7e9a31b957bbeb9dd839891322165cff56d2424f3a25983fc4b0d2127", 4.291, 20013928),
    "efficientnet_b0": ("a04d0792ee390a49633d1ee075b12b92e57fd2dbbccd50eac706fa14b3f280ea", 0.386, 5288548),
    "efficientnet_b1": ("9aaba0741e04badfffdedd828c2f1c6107d909788d7b69bd62574824cd100d36", 0.687, 7794184),
    "efficientnet_b2": ("a6d3677e95ef315b9658fec20afd7ba37a7887b3efea6ae35c8d9a506b64b70e", 1.088, 9109994),
    "efficientnet_b3": ("495111442d67e56d2b3ead909356d56e29949b02e9de21a9e47bf5fdacbe19b8", 1.827, 12233232),
    "efficientnet_b4": ("2974b9d3c05560364abb62db6e9915bcff7f869236181abdfcb95f4570976184", 4.394, 19341616),
    "efficientnet_b5": ("281af15aa41414bf2d7cb921fe9feb7ecab25eda80c7acc472204f5f270072fa", 10.266, 30389784),
    "efficientnet_b6": ("c32e05b40510b08de1a4c76a74f637d7188b40f9fa2b29a804f7bd560a3d23ac", 19.068, 43040704),
    "efficientnet_b7": ("3d2a7737a3d81e53520846285c2c94e2e52070e2c5c696be5fead436e9506f21", 37.746, 66347960),
    "efficientnet_v2_l": ("d77db9d94fce76eed3aa67251ba7ea39ee965f07ee82beb55a57b7e899ebefa6", 56.08, 118515272),
    "efficientnet_v2_m": ("5049b2b40578e130520b7f184158a41ef216f8b0d98c2ee54ccdbae40cbb8ef5", 24.582, 54139356),
    "efficientnet_v2_s": ("1d905bff391f9c329116e3ed19d84ebebe07bc927bdf065064aecb24b63c854a", 8.366, 21458488),
    "inception_v3": ("aab0ac2cbaf84aa2d66bbae231566898ad033818eb8fb11554c11d5a7c9e5c82", 5.713, 27161264),
    "mnasnet0_5": ("1ed44e7f7de283882331fda79bfad29ab262150bc47fd4e8aecc28c6097b0085", 0.104, 2218512),
    "mnasnet0_75": ("93d711f59686004d9161cc509d26c1080e354d16aabd3b10e7bf08078c600513", 0.215, 3170208),
    "mnasnet1_0": ("c26097f381d52b59d02278ff7b3fa247855ab936ad726d6a0995875c2dba16f9", 0.314, 4383312),
    "mnasnet1_3": ("9ce90280583fa8713a73c1f2081511305e33bd73a9786c2860e71a8a0f2de78b", 0.526, 6282256),
    "mobilenet_v3_large": ("efe98e40831bae9532d9c518b312080f840b880adfcddaed3dd8b307363875e7", 0.217, 5483032),
    "mobilenet_v3_small": ("5f0efaf3ff4ac979485c311e28eca4adf197652c72ce1fc09348dea8557bac96", 0.057, 2542856),
    "regnet_x_16gf": ("be447a28aff929a2e9ef7661eca53d261a4021247d139ed94aa1e2160beec9e4", 15.941, 54278536),
    "regnet_x_1_6gf": ("c1a260a7b00a531ce72245f4715901bed5fdb88c79e29e1f8bfaaf1eaa7d3584", 1.603, 9190136),
    "regnet_x_32gf": ("7ae1b5bc1949c5b3a68a64b5433c322f670555dd55901532f0b2a57bd07f5be7", 31.736, 107811560),
    "regnet_x_3_2gf": ("f892a07a8de49009263a9bea2b0e3ede72398872cd27b530cb55e95b7530aaf4", 3.177, 15296552),
    "regnet_x_400mf": ("a620146711eeaf3ec170f862f21fe89b0f684239e4ea0f512ec800d20749c138", 0.414, 5495976),
    "regnet_x_800mf": ("586dc3c8f1acbb7c52ce15283cb8e4ef7cb1449e3403364e9b2a40ea688a8e17", 0.8, 7259656),
    "regnet_x_8gf": ("fccf9ea872d43bf420a0374068f929620b45e4b4c6e5e1a9575502b73d4debc9", 7.995, 39572648),
    "regnet_y_128gf": ("b5f662e242f7be462c266ab6d16a2395a830de4fec9f3c70a9d6268a426917d5", 374.57, 644812894),
    "regnet_y_16gf": ("75477b95f83a4fa417f8c43a69f45e80a6f82add60788d841f947d8caae981f6", 15.912, 83590140),
    "regnet_y_1_6gf": ("ed96623b1aea474ae3c7a1719ed59aa7d81f3541b0938ac22847c914ba3fac5d", 1.612, 11202430),
    "regnet_y_32gf": ("650dda4954e51709b42a325b97e3ab62c5c891aa33bfc03738d95c590eefa339", 32.28, 145046770),
    "regnet_y_3_2gf": ("c9e6bcc15425c5e62a8910d322fadf62fcab6788729321a429006edaa8b595b6", 3.176, 19436338),
    "regnet_y_400mf": ("f09a9d430ba9389bfa6d79a677c0c06c57fa4413e9f855f0d8d30aa1e7ac10f2", 0.402, 4344144),
    "regnet_y_800mf": ("f231872c05967ac7cb6dc0ce3251ff44516071e5148400e73e3a856e6e3a581b", 0.834, 6432512),
    "regnet_y_8gf": ("5397113dc7c973324e3b3538f400e4b094e174c3aa990a3ac5a0711c2d72c949", 8.473, 39381472),
    "shufflenet_v2_x0_5": ("f0a5936e646f1bd45274fdc00f70491e810d4f5cc7dd390dca58c97c021fa733", 0.04, 1366792),
    "shufflenet_v2_x1_0": ("81b349bc1cbbbc7ac1b56da87a959c22b4e0d94b4d4cd1b58c271072e20de73a", 0.145, 2278604),
    "shufflenet_v2_x1_5": ("506b4de341bf52b3db43639e839ad923d4aec12841696518748c1c9958498733", 0.296, 3503624),
    "shufflenet_v2_x2_0": ("0c033bd0cd72af374c121b89a3f9be43e3ea0c912c02377e770385655309b0a4", 0.583, 7393996),
}
OPTIONS = {
    "inception_v3 without aux": "f3a329f258a780ee046d15be9ad7adac539783c27df436585fa25d9c6a854e9c",
    "mobilenet_v3_large with width_mult=0.75": "ee49600c956a3f87bdb5153df8211a252453547767e9aa95c7378d05acf2d4b7",
}
_declared: list[torch.library.Library] = []


def torchvision_models():
    """The module torchvision.models, or None where torchvision is not installed."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    try:
        torch.ops.load_library(Path(spec.origin).parent / "_C.so")
    except OSError:
        if not _declared:
            _declared.append(torch.library.Library("torchvision", "DEF"))
            for name in ("nms", "qnms"):
                _declared[0].define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    from torchvision import models

    return models
