"""The lecture's tables: computed, not copied, and every published cell that differs is named."""

import pytest

from cyconv import lecture, models, nn

# Cells of the paper's table that exact arithmetic does not give: exact figure, rounded alike, per cent above the published.
GOOGLENET_DIFFERENCES = {
    ("convolution", "params"): ("2.7K", 9_408, "9.2K", 240.28),
    ("convolution", "ops"): ("34M", 118_013_952, "118M", 247.1),
    ("inception (3a)", "params"): ("159K", 163_328, "160K", 0.31),
    ("inception (3b)", "params"): ("380K", 388_096, "379K", -0.26),
    ("inception (4a)", "params"): ("364K", 375_552, "367K", 0.76),
    ("inception (4a)", "ops"): ("73M", 73_608_192, "74M", 0.83),
    ("inception (4b)", "params"): ("437K", 448_512, "438K", 0.23),
    ("inception (4c)", "params"): ("463K", 509_440, "498K", 7.45),
    ("inception (4d)", "params"): ("580K", 604_672, "591K", 1.81),
    ("inception (4e)", "params"): ("840K", 867_328, "847K", 0.83),
    ("inception (5a)", "params"): ("1072K", 1_042_432, "1018K", -5.04),
    ("inception (5a)", "ops"): ("54M", 51_079_168, "51M", -5.41),
    ("inception (5b)", "params"): ("1388K", 1_442_816, "1409K", 1.51),
}


def test_counting_example():
    assert lecture.convolution_table().records == [{"row": "3×3, 128 → 64", "product": "3·3·128·64", "params": 73_728}]
    assert lecture.compare("convolution").records == []


def test_alexnet_products():
    """The slide's products, evaluated here by hand."""
    table = lecture.alexnet_table()
    products = {
        "conv1": 11 * 11 * 3 * 48 * 2,
        "conv2": 5 * 5 * 48 * 128 * 2,
        "conv3": 3 * 3 * (128 * 2) * (192 * 2),
        "conv4": 3 * 3 * 192 * 192 * 2,
        "conv5": 3 * 3 * 192 * 128 * 2,
        "fc6": 13 * 13 * (128 * 2) * (2048 * 2),
        "fc7": (2048 * 2) * (2048 * 2),
        "fc8": (2048 * 2) * 1000,
    }
    assert {r["row"]: r["params"] for r in table.records} == products
    for record in table.records:
        assert eval(record["product"].replace("·", "*")) == record["params"]
    assert table.records[1]["product"] == "5·5·48·128·2"
    assert "6·6·256·4096 = 37,748,736" in str(table)


def test_alexnet_comparison():
    """Three of the slide's figures are cut off, not rounded."""
    found = {r["row"]: (r["published"], r["rounded"], r["computed"], r["note"]) for r in lecture.compare("alexnet").records}
    near = "less than one in the last digit"
    assert found == {
        "conv3": ("884k", "885k", 884_736, near),
        "conv4": ("663k", "664k", 663_552, near),
        "fc7": ("16M", "17M", 16_777_216, near),
    }


def test_googlenet_rows():
    rows = lecture.googlenet_table().records
    assert len(rows) == 19
    assert rows[2] == {
        "row": "convolution",
        "patch": "3×3/1",
        "output": "56×56×192",
        "depth": 2,
        "1x1": None,
        "3x3_reduce": 64,
        "3x3": 192,
        "5x5_reduce": None,
        "5x5": None,
        "pool_proj": None,
        "params": 64 * 64 + 9 * 64 * 192,
        "ops": (64 * 64 + 9 * 64 * 192) * 56 * 56,
    }
    assert [r["row"] for r in rows].count("max pool") == 4
    assert rows[-1]["row"] == "softmax"
    assert sum(r["depth"] for r in rows) == 22  # the paper: "22 layers deep"


@pytest.mark.parametrize(("row", "at"), [("inception (3a)", 4), ("inception (4e)", 11), ("inception (5b)", 14)])
def test_googlenet_params_follow_from_widths(row, at):
    rows = lecture.googlenet_table().records
    r, channels, side = rows[at], int(rows[at - 1]["output"].split("×")[2]), int(rows[at]["output"].split("×")[0])
    assert r["row"] == row
    ones = r["1x1"] + r["3x3_reduce"] + r["5x5_reduce"] + r["pool_proj"]
    params = channels * ones + 9 * r["3x3_reduce"] * r["3x3"] + 25 * r["5x5_reduce"] * r["5x5"]
    assert r["params"] == params
    assert r["ops"] == params * side * side


def test_googlenet_comparison():
    comparison = lecture.compare("googlenet")
    found = {(r["row"], r["column"]): (r["published"], r["computed"], r["rounded"], r["percent"]) for r in comparison.records}
    assert found == GOOGLENET_DIFFERENCES
    assert comparison.compared > 140
    assert "13 differ" in str(comparison)
    assert "| inception (5a) | ops | 54M | 51M | 51,079,168 | -5.41 |" in comparison.to_markdown()


def test_a_changed_network_is_noticed(monkeypatch):
    """Computed cells follow the network, so another kernel, width or pool shows up in the comparison."""

    def changed(**options):
        net = models.googlenet(**options)
        net.inception4b.branch3[1].conv = nn.Conv2d(24, 64, 3, padding=1)
        net.maxpool3 = nn.MaxPool2d(2, 2)
        net.inception5b.branch1.conv = nn.Conv2d(832, 380, 1)
        net.fc = nn.Linear(1020, 1000)
        return net

    monkeypatch.setattr(lecture, "googlenet", changed)
    found = {(r["row"], r["column"]): r["rounded"] for r in lecture.compare("googlenet").records}
    assert {key: found[key] for key in found.keys() - GOOGLENET_DIFFERENCES.keys()} == {
        ("max pool", "patch"): "2×2/2",
        ("inception (4b)", "3x3"): "64",
        ("inception (4b)", "5x5_reduce"): None,
        ("inception (4b)", "5x5"): None,
        ("inception (4b)", "3x3_reduce"): "24",
        ("inception (4b)", "ops"): "83M",
        ("inception (5b)", "1x1"): "380",
        ("inception (5b)", "output"): "7×7×1020",
        ("avg pool", "output"): "1×1×1020",
        ("dropout (40%)", "output"): "1×1×1020",
        ("linear", "params"): "996K",
    }


def test_unknown_table():
    with pytest.raises(ValueError, match="expected one of convolution, alexnet, googlenet, got 'vgg'"):
        lecture.compare("vgg")
