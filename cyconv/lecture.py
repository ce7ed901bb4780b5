"""The lecture's tables: computed from the networks of this package, and compared with the published figures.

Source: "Deep Learning Basics, Lecture 4: Convolutional Neural Networks"; its GoogLeNet table is that of Szegedy et al.,
"Going deeper with convolutions", 2014. Computed figures come from the traced networks only; published ones stand in the
texts below and are read by :func:`compare` alone. Layer of the house: above models; called by users and the command line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal

from cyconv import nn
from cyconv.graph.ir import Graph, Node, Value
from cyconv.models import alexnet_two_tower, googlenet
from cyconv.ops import OPS
from cyconv.summarize import summary, trace
from cyconv.table import Table

# Published cells, one line a row, as printed. k = 1000, K = 1024, M = 1,000,000.
_PUBLISHED = {
    "convolution": """
        3×3, 128 → 64 | 73728""",
    "alexnet": """
        conv1 | 35k
        conv2 | 307k
        conv3 | 884k
        conv4 | 663k
        conv5 | 442k
        fc6   | 177M
        fc7   | 16M
        fc8   | 4M""",
    "googlenet": """
        convolution    | 7×7/2 | 112×112×64 | 1 |     |     |     |    |     |     | 2.7K  | 34M
        max pool       | 3×3/2 | 56×56×64   | 0 |     |     |     |    |     |     |       |
        convolution    | 3×3/1 | 56×56×192  | 2 |     | 64  | 192 |    |     |     | 112K  | 360M
        max pool       | 3×3/2 | 28×28×192  | 0 |     |     |     |    |     |     |       |
        inception (3a) |       | 28×28×256  | 2 | 64  | 96  | 128 | 16 | 32  | 32  | 159K  | 128M
        inception (3b) |       | 28×28×480  | 2 | 128 | 128 | 192 | 32 | 96  | 64  | 380K  | 304M
        max pool       | 3×3/2 | 14×14×480  | 0 |     |     |     |    |     |     |       |
        inception (4a) |       | 14×14×512  | 2 | 192 | 96  | 208 | 16 | 48  | 64  | 364K  | 73M
        inception (4b) |       | 14×14×512  | 2 | 160 | 112 | 224 | 24 | 64  | 64  | 437K  | 88M
        inception (4c) |       | 14×14×512  | 2 | 128 | 128 | 256 | 24 | 64  | 64  | 463K  | 100M
        inception (4d) |       | 14×14×528  | 2 | 112 | 144 | 288 | 32 | 64  | 64  | 580K  | 119M
        inception (4e) |       | 14×14×832  | 2 | 256 | 160 | 320 | 32 | 128 | 128 | 840K  | 170M
        max pool       | 3×3/2 | 7×7×832    | 0 |     |     |     |    |     |     |       |
        inception (5a) |       | 7×7×832    | 2 | 256 | 160 | 320 | 32 | 128 | 128 | 1072K | 54M
        inception (5b) |       | 7×7×1024   | 2 | 384 | 192 | 384 | 48 | 128 | 128 | 1388K | 71M
        avg pool       | 7×7/1 | 1×1×1024   | 0 |     |     |     |    |     |     |       |
        dropout (40%)  |       | 1×1×1024   | 0 |     |     |     |    |     |     |       |
        linear         |       | 1×1×1000   | 1 |     |     |     |    |     |     | 1000K | 1M
        softmax        |       | 1×1×1000   | 0 |     |     |     |    |     |     |       |""",
}
_UNITS = {"k": 1000, "K": 1024, "M": 1_000_000}

_PRODUCT_COLUMNS = {"row": "layer", "product": "product", "params": "weights"}
_GOOGLENET_COLUMNS = {
    "row": "type",
    "patch": "patch/stride",
    "output": "output",
    "depth": "depth",
    "1x1": "#1×1",
    "3x3_reduce": "#3×3 reduce",
    "3x3": "#3×3",
    "5x5_reduce": "#5×5 reduce",
    "5x5": "#5×5",
    "pool_proj": "pool proj",
    "params": "params",
    "ops": "ops",
}
_COMPARED = {  # the columns of each published text, in its order
    "convolution": ("row", "params"),
    "alexnet": ("row", "params"),
    "googlenet": tuple(_GOOGLENET_COLUMNS),
}

# The parts of the network behind each row; the table leaves out normalisation and flattening.
_GOOGLENET_ROWS = [
    ("conv1",),
    ("maxpool1",),
    ("conv2", "conv3"),
    ("maxpool2",),
    *((f"inception{name}",) for name in ("3a", "3b")),
    ("maxpool3",),
    *((f"inception{name}",) for name in ("4a", "4b", "4c", "4d", "4e")),
    ("maxpool4",),
    *((f"inception{name}",) for name in ("5a", "5b")),
    ("avgpool",),
    ("dropout",),
    ("fc",),
    ("softmax",),
]
_KEEPS_MAP = ("relu", "batch_norm", "local_response_norm")  # ops between a convolution and the layer that it feeds


def convolution_table() -> Table:
    """The lecture's counting example: a 3×3 convolution with padding 1 from 128 channels to 64.

    Returns
    -------
    Table
        One record: ``row``, ``product`` (the factors) and ``params`` (weights without bias).
    """
    layer = nn.Conv2d(128, 64, 3, padding=1)
    node = next(_weighted(trace(layer, (128, 56, 56))))
    record = {
        "row": "3×3, 128 → 64",
        "product": _product(*node.inputs[1].shape[2:], 128, 64),
        "params": summary(layer, (128, 56, 56)).weights,
    }
    return Table([record], _PRODUCT_COLUMNS)


def alexnet_table() -> Table:
    """Weights of AlexNet in two towers, layer by layer, counted on the shapes of :func:`cyconv.models.alexnet_two_tower`.

    Returns
    -------
    Table
        A record a layer: ``row``, ``product`` (the factors, outputs split by towers) and ``params`` (their product). fc6
        is counted on the map before the last pooling, as the slide does; a note says what the network has.
    """
    graph = trace(alexnet_two_tower(), (3, 224, 224))
    makes = graph.producers()
    records, notes = [], ["Biases are not counted."]
    for node in _weighted(graph):
        shape = node.inputs[1].shape
        factors = (*shape[2:], shape[1], shape[0] // 2, 2) if node.op == "conv2d" else (shape[1], shape[0])
        if node.name == "fc6":
            before, after = ((*v.shape[2:], v.shape[1]) for v in _pool_before(node, makes))
            factors = (*before, shape[0])
            notes.append(f"fc6 as built, after the last pooling: {_product(*after, shape[0])} = {_weights(node):,}.")
        records.append({"row": node.name, "product": _product(*factors), "params": math.prod(factors)})
    return Table(records, _PRODUCT_COLUMNS, notes)


def googlenet_table() -> Table:
    """The lecture's table of GoogLeNet, each cell computed from the traced :func:`cyconv.models.googlenet` at 224×224.

    Returns
    -------
    Table
        A record a row: ``row`` (type), ``patch``, ``output``, ``depth``, six widths (``1x1`` … ``pool_proj``), ``params``
        (weights without bias) and ``ops`` (multiply-adds of one image), exact; None where the table has no figure.
    """
    graph = trace(googlenet(softmax=True), (3, 224, 224))
    parts: dict[str, list[Node]] = {}
    for node in graph.nodes:
        parts.setdefault(node.name.split(".")[0], []).append(node)
    records = [_googlenet_row(names, [node for name in names for node in parts[name]]) for names in _GOOGLENET_ROWS]
    totals = [sum(r[key] or 0 for r in records) for key in ("params", "ops")]
    return Table(records, _GOOGLENET_COLUMNS, [f"Total: {totals[0]:,} weights without biases, {totals[1]:,} multiply-adds for one image."])


TABLES: dict[str, Callable[[], Table]] = {
    "convolution": convolution_table,
    "alexnet": alexnet_table,
    "googlenet": googlenet_table,
}


class Comparison(Table):
    """The cells of a published table that the computed table does not confirm; ``compared`` is the number of cells looked at."""

    def __init__(self, name: str, records: list[dict], compared: int):
        self.compared = compared
        columns = {
            "row": "row",
            "column": "column",
            "published": "published",
            "rounded": "computed, rounded alike",
            "computed": "exact",
            "percent": "difference, %",
            "note": "note",
        }
        note = f"{compared} published cells of {name} compared, {len(records)} differ. k = 1000, K = 1024, M = 1,000,000."
        super().__init__(records, columns, [note])


def compare(name: str) -> Comparison:
    """Compare the lecture's published figures with the computed ones.

    A published figure holds when the exact one, in its unit, rounds to it (halves away from zero).

    Parameters
    ----------
    name : str
        "convolution", "alexnet" or "googlenet".

    Returns
    -------
    Comparison
        A record for each cell that differs: ``row``, ``column``, ``published`` (as printed), ``rounded`` (the computed
        figure printed alike), ``computed`` (exact), ``percent`` (computed above published) and ``note``, which says when
        the two differ by less than one unit of the last printed digit.

    Raises
    ------
    ValueError
        When the lecture has no table of that name.
    """
    if name not in TABLES:
        raise ValueError(f"name: expected one of {', '.join(TABLES)}, got {name!r}")
    lines = _PUBLISHED[name].strip().splitlines()
    differing, compared = [], 0
    for line, record in zip(lines, TABLES[name]().records, strict=True):
        cells = dict(zip(_COMPARED[name], (cell.strip() for cell in line.split("|")), strict=True))
        for column, published in cells.items():
            value = record[column]
            if not published and value is None:
                continue
            compared += 1
            found = _difference(published, value)
            if found is not None:
                differing.append({"row": cells["row"], "column": column, "published": published, "computed": value, **found})
    return Comparison(name, differing, compared)


def _difference(published: str, value: int | str | None) -> dict | None:
    """How a computed value differs from the published cell; None when it does not."""
    unit = _UNITS.get(published[-1:], 1)
    try:
        figure = Decimal(published if unit == 1 else published[:-1])
    except ArithmeticError:
        figure = None
    if figure is None or not isinstance(value, int):  # text, or a cell that only one of the two has
        return None if published == value else {"rounded": value, "percent": None, "note": ""}
    exact = Decimal(value) / unit
    rounded = exact.quantize(figure, ROUND_HALF_UP)
    if rounded == figure:
        return None
    last_digit = Decimal(1).scaleb(int(figure.as_tuple().exponent))
    return {
        "rounded": f"{rounded}{published[-1] if unit != 1 else ''}",
        "percent": float(round((exact / figure - 1) * 100, 2)),
        "note": "less than one in the last digit" if abs(exact - figure) < last_digit else "",
    }


def _weighted(graph: Graph) -> Iterator[Node]:
    """The convolutions and linear layers, in running order."""
    return (node for node in graph.nodes if node.op in ("conv2d", "linear"))


def _weights(node: Node) -> int:
    """Weights of a convolution or linear layer, without bias."""
    return math.prod(node.inputs[1].shape)


def _product(*factors: int) -> str:
    return "·".join(map(str, factors))


def _behind(makes: dict[Value, Node], value: Value, ops: tuple[str, ...]) -> Node | None:
    """The node that ``value`` comes from, looking through nodes of these ops."""
    node = makes.get(value)
    while node is not None and node.op in ops:
        node = makes.get(node.inputs[0])
    return node


def _pool_before(node: Node, makes: dict[Value, Node]) -> tuple[Value, Value]:
    """Input and output of the pooling whose map ``node`` reads flattened."""
    pool = _behind(makes, node.inputs[0], ("reshape",))
    if pool is None or pool.op != "max_pool2d":
        raise ValueError(f"{node.name} does not read a pooled map")
    return pool.inputs[0], pool.outputs[0]


def _googlenet_row(names: tuple[str, ...], nodes: list[Node]) -> dict:
    """The record of one row, from the nodes of its parts of the network."""
    makes = {v: node for node in nodes for v in node.outputs}
    weighted = [node for node in nodes if node.op in ("conv2d", "linear")]
    shape = nodes[-1].outputs[0].shape
    height, width = shape[2:] if len(shape) == 4 else (1, 1)
    record = dict.fromkeys(_GOOGLENET_COLUMNS)
    record.update(row=_row_type(names, nodes), patch=_patch(nodes), output=f"{height}×{width}×{shape[1]}", depth=_depth(weighted, makes))
    if weighted:
        record["params"] = sum(map(_weights, weighted))
        record["ops"] = sum(OPS[node.op].macs([v.shape for v in node.inputs], [node.outputs[0].shape], node.attrs) for node in weighted)
    if len([node for node in weighted if node.op == "conv2d"]) > 1:
        record.update(_widths(weighted, makes))
    return record


def _row_type(names: tuple[str, ...], nodes: list[Node]) -> str:
    """What the table calls a row."""
    op = next(node for node in nodes if node.op != "relu").op
    if names[0].startswith("inception"):
        return f"inception ({names[0].removeprefix('inception')})"
    if op == "dropout":
        return f"dropout ({nodes[0].attrs['p']:.0%})"
    return {"conv2d": "convolution", "max_pool2d": "max pool", "avg_pool2d": "avg pool"}.get(op, op)


def _patch(nodes: list[Node]) -> str | None:
    """Window and stride of the last convolution or pooling, such as ``3×3/2``; None for an inception module, which has many."""
    windows = [node for node in nodes if node.op in ("conv2d", "max_pool2d", "avg_pool2d")]
    if not windows or nodes[-1].op == "cat":
        return None
    last = windows[-1]
    kernel = last.inputs[1].shape[2:] if last.op == "conv2d" else last.attrs["kernel"]
    return f"{kernel[0]}×{kernel[1]}/{last.attrs['stride'][0]}"


def _depth(weighted: list[Node], makes: dict[Value, Node]) -> int:
    """Layers with weights on the longest path through a row."""
    depths: dict[int, int] = {}
    for node in weighted:
        before = _behind(makes, node.inputs[0], (*_KEEPS_MAP, "max_pool2d"))
        depths[id(node)] = 1 + depths.get(id(before), 0)
    return max(depths.values(), default=0)


def _widths(weighted: list[Node], makes: dict[Value, Node]) -> dict[str, int]:
    """Output channels of a row's convolutions by their part: a 1×1 is a reduction, a pool projection, or one of its own."""
    sources = {id(node): _behind(makes, node.inputs[0], _KEEPS_MAP) for node in weighted}
    feeds = {id(sources[id(node)]): node for node in weighted if sources[id(node)] is not None}
    widths = {}
    for node in weighted:
        channels, _, height, width = node.inputs[1].shape
        if (height, width) != (1, 1):
            part = f"{height}x{width}"
        elif id(node) in feeds:
            part = "{}x{}_reduce".format(*feeds[id(node)].inputs[1].shape[2:])
        else:
            part = "1x1" if sources[id(node)] is None else "pool_proj"
        widths[part] = channels
    return widths
