"""What operators that move values refuse, and by which name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fakes.compiled import compile_bytes
from fakes.tflite import Tflite
from tinyops.errors import SpecError

EDGE = {"scale": 0.5, "zero_point": 3}
Numbers = Sequence[Any]


def model(
    name: str,
    shape: Sequence[int],
    lists: Sequence[Numbers | int],
    outputs: Sequence[Sequence[int]],
    *,
    source_at: int = 0,
    table: str | None = None,
    dtype: str = "int8",
    **options: Any,
) -> bytes:
    """One operator: its input, constant lists of numbers (None: computed), and outputs of these shapes."""
    m = Tflite()
    edge = EDGE if dtype in ("int8", "uint8", "int16") else {}
    source = m.tensor(shape, dtype, **edge)
    operands = [_numbers(m, values) for values in lists]
    operands.insert(source_at, source)
    made = [m.tensor(out, dtype, **edge) for out in outputs]
    m.operator(name, operands, made, **({"table": table, **options} if table else {}))
    return m.build([source], made)


def _numbers(m: Tflite, values: Any) -> int:
    import numpy as np

    data = np.array(values, dtype=np.int32)
    return m.tensor(data.shape, "int32", data=data)


def refused(data: bytes, match: str) -> None:
    with pytest.raises(SpecError, match=match):
        compile_bytes(data)


def split_v(sizes: Numbers, axis: int, outputs: Sequence[Sequence[int]], shape: Sequence[int] = (4, 6)) -> bytes:
    return model("SPLIT_V", shape, [sizes, axis], outputs, table="SplitVOptions", numSplits=len(outputs))


@pytest.mark.parametrize(
    ("sizes", "axis", "outputs", "match"),
    [
        ([1, 3], 2, [(1, 6), (3, 6)], "the dimension exists; here: dimension 2 of 2"),
        ([1, 3], -3, [(1, 6), (3, 6)], "the dimension exists; here: dimension -3 of 2"),
        ([1, 2], 0, [(1, 6), (2, 6)], r"add up to the input.*; here: 4 and 1 \+ 2"),
        ([1, 3], 0, [(1, 5), (3, 6)], r"add up.*; here: \(4, 6\) and \(1, 5\)"),
        ([3, 1], 0, [(1, 6), (3, 6)], r"the sizes are those.*sizes \[3, 1\], outputs \[1, 3\]"),
        ([-1, -1], 0, [(1, 6), (3, 6)], r"the sizes are those.*sizes \[-1, -1\]"),
        ([4], 0, [(1, 6), (3, 6)], r"the sizes are those.*sizes \[4\]"),
    ],
)
def test_split_sizes(sizes, axis, outputs, match):
    refused(split_v(sizes, axis, outputs), match)


def test_split():
    def split(axis: Any, outputs: Sequence[Sequence[int]], dtype: str = "int8") -> bytes:
        return model("SPLIT", (4, 6), [axis], outputs, source_at=1, table="SplitOptions", dtype=dtype)

    compile_bytes(split(0, [(2, 6), (2, 6)]))
    refused(split(0, [(1, 6), (3, 6)]), "same shape; here: extents 1, 3")
    refused(split([0, 1], [(2, 6), (2, 6)]), "the dimension is a constant of type int32; here: .* has 2 values")
    refused(split(0, [(2, 6), (2, 6)], "uint8"), "int8, int16, int32 or float32")


def test_unpack_and_pack():
    def unpack(axis: int, outputs: Sequence[Sequence[int]], num: int) -> bytes:
        return model("UNPACK", (2, 6), [], outputs, table="UnpackOptions", axis=axis, num=num)

    refused(unpack(2, [(6,), (6,)], 2), "the dimension exists")
    refused(unpack(0, [(6,)], 2), "an output for each index.*; here: 2 along it, 1 outputs, 2 said")
    refused(unpack(0, [(6,), (6,)], 3), "an output for each index.*3 said")
    refused(unpack(0, [(6,), (1, 6)], 2), "an output for each index.*(1, 6)")

    def pack(axis: int, output: Sequence[int], count: int = 2) -> bytes:
        m = Tflite()
        parts = [m.tensor((3,), **EDGE) for _ in range(2)]
        whole = m.tensor(output, **EDGE)
        m.operator("PACK", parts, [whole], table="PackOptions", axis=axis, valuesCount=count)
        return m.build(parts, [whole])

    compile_bytes(pack(-1, (3, 2)))
    refused(pack(2, (2, 3)), "the dimension exists")
    refused(pack(0, (3, 2)), "one dimension more; here")
    refused(pack(0, (2, 3), 200), "one dimension more; here")


@pytest.mark.parametrize(
    ("begin", "size", "output", "match"),
    [
        ([0, 6], [4, 1], (4, 1), "lie inside of the input; here: dimension 1 of 6, begin 6, size 1"),
        ([-1, 0], [1, 6], (1, 6), "lie inside of the input; here: dimension 0 of 4, begin -1"),
        ([0, 0], [4, 7], (4, 7), "lie inside of the input; here: dimension 1 of 6, begin 0, size 7"),
        ([0, 2], [4, -2], (4, 2), "lie inside of the input; here: dimension 1 of 6, begin 2, size -2"),
        ([0, 2], [4, 2**31 - 1], (4, 2), "lie inside of the input"),
        ([0, 2], [4, 0], (4, 2), "lie inside of the input"),
        ([0, 2], [4, 3], (4, 4), r"shape of the sizes; here: \(4, 4\), the inputs give \(4, 3\)"),
        ([0], [4], (4, 6), "one value for each dimension; here: .* has 1 values, wanted 2"),
    ],
)
def test_slice(begin, size, output, match):
    refused(model("SLICE", (4, 6), [begin, size], [output]), match)


@pytest.mark.parametrize(
    ("lists", "output", "options", "match"),
    [
        (([0, 0], [4, 6], [1, 0]), (4, 6), {}, "no step is 0.*; here: 0 along dimension 1"),
        (([0, 0], [4, 6], [-1, 1]), (6,), {"shrinkAxisMask": 1}, "no step is 0.*; here: -1 along dimension 0"),
        (([4, 0], [4, 6], [1, 1]), (6,), {"shrinkAxisMask": 1}, "single indices.*; here: index 4 of 4"),
        (([-5, 0], [4, 6], [1, 1]), (6,), {"shrinkAxisMask": 1}, "single indices.*; here: index -5 of 4"),
        (([0, 0], [4, 6], [1, 1]), (4, 6), {"ellipsisMask": 1}, "no ellipsis.*; here: ellipsis is set"),
        (([0, 0], [4, 6], [1, 1]), (4, 6), {"newAxisMask": 2}, "no ellipsis.*; here: new axis is set"),
        (([0, 0], [4, 6], [1, 1]), (4, 6), {"offset": True}, "no ellipsis.*; here: offset is set"),
        (([0, 0], [4, 6], [1, 2]), (4, 6), {}, r"agree; here: \(4, 6\), the inputs give \(4, 3\)"),
        (([9, 0], [9, 6], [1, 1]), (1, 6), {}, r"agree; here: \(1, 6\), the inputs give \(0, 6\)"),
        (([0], [4], [1]), (4, 6), {}, "one value for each dimension"),
    ],
)
def test_strided_slice(lists, output, options, match):
    refused(model("STRIDED_SLICE", (4, 6), lists, [output], table="StridedSliceOptions", **options), match)


@pytest.mark.parametrize(
    ("shape", "order", "output", "match"),
    [
        ((4, 6), [0, 0], (4, 4), r"each dimension is named once; here: \[0, 0\]"),
        ((4, 6), [0, 2], (4, 6), r"each dimension is named once; here: \[0, 2\]"),
        ((4, 6), [-1, 0], (6, 4), "each dimension is named once"),
        ((4, 6), [1, 0], (4, 6), r"agree; here: \(4, 6\), the inputs give \(6, 4\)"),
        ((4, 6), [0, 1, 2], (4, 6), "one value for each dimension"),
        ((1, 1, 1, 1, 3, 2), [0, 1, 2, 3, 5, 4], (1, 1, 1, 1, 2, 3), "1 to 5 dimensions"),
    ],
)
def test_transpose(shape, order, output, match):
    refused(model("TRANSPOSE", shape, [order], [output]), match)


@pytest.mark.parametrize("axes", [[0, 2], [3], [-4], [1, 1]])
def test_reversal(axes):
    refused(model("REVERSE_V2", (4, 6, 2), [axes], [(4, 6, 2)]), "the dimensions are neighbours; here: dimensions")


def test_blocks():
    def blocks(name: str, shape: Sequence[int], output: Sequence[int], block: int) -> bytes:
        table = "DepthToSpaceOptions" if name == "DEPTH_TO_SPACE" else "SpaceToDepthOptions"
        return model(name, shape, [], [output], table=table, blockSize=block)

    refused(blocks("DEPTH_TO_SPACE", (1, 2, 2, 6), (1, 4, 4, 1), 2), "blocks divide the input")
    refused(blocks("SPACE_TO_DEPTH", (1, 3, 2, 1), (1, 1, 1, 4), 2), "blocks divide the input")
    refused(blocks("SPACE_TO_DEPTH", (1, 2, 2, 1), (1, 1, 1, 2), 2), "blocks divide the input")
    refused(blocks("SPACE_TO_DEPTH", (1, 2, 2, 1), (1, 1, 1, 4), 0), "BlockSize is 0")
    refused(blocks("SPACE_TO_DEPTH", (2, 2, 1), (1, 1, 4), 2), "4 dimensions")


def test_batches():
    def to_batch(block: Numbers, amounts: Numbers, output: Sequence[int], **more: Any) -> bytes:
        return model("SPACE_TO_BATCH_ND", (1, 4, 4, 2), [block, amounts], [output], **more)

    none = [[0, 0], [0, 0]]
    compile_bytes(to_batch([2, 2], none, (4, 2, 2, 2)))
    refused(to_batch([2, 3], none, (6, 2, 1, 2)), "agree; here")
    refused(to_batch([0, 2], none, (4, 2, 2, 2)), "block of 1 or more.*; here: blocks")
    refused(to_batch([2, 2], [[-2, 0], [0, 0]], (4, 1, 2, 2)), "block of 1 or more.*amounts")
    refused(to_batch([2], [[0, 0]], (2, 2, 4, 2)), "block of 1 or more.*; here: shapes")
    refused(to_batch([2, 2], [[1, 1], [0, 0]], (4, 3, 2, 2)), "nothing is added; here: ")
    cut = model("BATCH_TO_SPACE_ND", (4, 2, 2, 1), [[2, 2], [[4, 0], [0, 0]]], [(1, 4, 4, 1)])
    refused(cut, r"agree; here: \(1, 4, 4, 1\), the inputs give \(1, 0, 4, 1\)")
    refused(model("BATCH_TO_SPACE_ND", (3, 2, 2, 1), [[2, 2], none], [(1, 4, 4, 1)]), "agree; here")


def test_resizing():
    def resize(name: str, size: Numbers, output: Sequence[int], shape: Sequence[int] = (1, 2, 2, 3), **o: Any) -> bytes:
        table = {"RESIZE_BILINEAR": "ResizeBilinearOptions"}.get(name, "ResizeNearestNeighborOptions")
        return model(name, shape, [size], [output], table=table, **o)

    for name in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        refused(resize(name, [4, 4], (1, 4, 3, 3)), "height, width and output agree")
        refused(resize(name, [4], (1, 4, 4, 3)), "height, width and output agree")
        refused(resize(name, [4, 70_000], (1, 4, 70_000, 3)), "at most 32,768 rows and columns; here: 70,000")
    both = {"alignCorners": True, "halfPixelCenters": True}
    refused(resize("RESIZE_BILINEAR", [4, 4], (1, 4, 4, 3), **both), "not both")
    refused(resize("RESIZE_BILINEAR", [4, 4], (2, 4, 4, 3), (2, 2, 2, 3)), "the batch is 1")
    refused(
        resize("RESIZE_BILINEAR", [600, 1], (1, 600, 1, 1), (1, 1, 1, 1)), "not lead out of the image; here: from 1"
    )


def test_gathering():
    def gather(indices: Numbers, output: Sequence[int], axis: int = 0, batch: int = 0) -> bytes:
        return model("GATHER", (4, 6), [indices], [output], table="GatherOptions", axis=axis, batchDims=batch)

    compile_bytes(gather([0, 3], (2, 6)))
    refused(gather([0, 4], (2, 6)), "every index lies inside of the input; here: index 4 of 4")
    refused(gather([0, -1], (2, 6)), "every index lies inside of the input; here: index -1 of 4")
    refused(gather([0, 3], (2, 6), axis=2), "the dimension exists")
    refused(gather([0, 3], (3, 6)), "agree; here")
    refused(gather([0, 3], (2, 6), batch=1), "batch dimensions")
    refused(gather([[0], [1]], (4, 1), axis=1, batch=1), r"batch dimensions.*; here: \(4,\) and \(2,\)")
    lookups = model("GATHER", (70_000, 3), [[0, 2, 1]], [(70_000, 3)], table="GatherOptions", axis=1)
    refused(lookups, "at most 65,536 indices are looked up; here: 70,003")


def test_mirrors_and_broadcasts():
    def mirror(amounts: Numbers, output: Sequence[int], mode: int = 0) -> bytes:
        return model("MIRROR_PAD", (2, 3), [amounts], [output], table="MirrorPadOptions", mode=mode)

    compile_bytes(mirror([[2, 2], [3, 3]], (6, 9), mode=1))
    refused(mirror([[2, 0], [0, 0]], (4, 3)), r"no more than there is to mirror; here: \(2, 0\) around 2")
    refused(mirror([[0, 0], [0, -1]], (2, 2)), "no more than there is to mirror")
    refused(mirror([[0, 0]], (2, 3)), r"no more than.*; here: amounts of shape \(1, 2\)")
    refused(mirror([[1, 0], [0, 0]], (2, 3)), "agree; here")

    def broadcast(extents: Numbers, output: Sequence[int]) -> bytes:
        return model("BROADCAST_TO", (1, 3), [extents], [output])

    compile_bytes(broadcast([5, 2, 3], (5, 2, 3)))
    refused(broadcast([2, 4], (2, 4)), "the input those or 1")
    refused(broadcast([3], (3,)), "the input those or 1")
    refused(broadcast([2, 3], (3, 3)), "the input those or 1")


def test_transposed_convolutions():
    def conv(**changes: Any) -> bytes:
        m = Tflite()
        given = {"shape": [1, 4, 4, 2], "weights": (2, 3, 3, 5), "out": (1, 4, 4, 2), "stride": 2, "zero": 0, **changes}
        shape = m.tensor((len(given["shape"]),), "int32", data=given["shape"])
        import numpy as np

        data = np.ones(given["weights"])
        weights = m.tensor(given["weights"], scale=0.25, zero_point=given["zero"], data=data)
        source, out = m.tensor((1, 2, 2, 5), **EDGE), m.tensor(given["out"], **EDGE)
        stride = {"strideH": given["stride"], "strideW": given["stride"]}
        m.operator("TRANSPOSE_CONV", [shape, weights, source], [out], table="TransposeConvOptions", **stride)
        return m.build([source], [out])

    compile_bytes(conv())
    refused(conv(shape=[1, 4, 5, 2]), "has the extents that the file gives")
    refused(conv(shape=[4, 4]), "has the extents that the file gives")
    refused(conv(weights=(2, 3, 3, 4)), "the channels agree")
    refused(conv(weights=(3, 3, 3, 5)), "the channels agree")
    refused(conv(zero=1), "weights have zero point 0")
    refused(conv(stride=0), "StrideH is 0")
    refused(conv(stride=300), "strides times output channels are at most 65,536; here: 180,000")


def test_lists_that_are_computed_and_scales_that_differ():
    m = Tflite()
    source, order = m.tensor((4, 6), **EDGE), m.tensor((2,), "int32")
    out = m.tensor((6, 4), **EDGE)
    m.operator("TRANSPOSE", [source, order], [out])
    refused(m.build([source, order], [out]), "a constant of type int32.*; here: .* is computed by the graph")
    m = Tflite()
    source, out = m.tensor((4, 6), **EDGE), m.tensor((6, 4), scale=0.25, zero_point=3)
    m.operator("TRANSPOSE", [source, _numbers(m, [1, 0])], [out])
    refused(m.build([source], [out]), "share scale and zero point")
    m = Tflite()
    source, out = m.tensor((2, 6), scale=[0.5, 0.25], axis=0), m.tensor((6, 2), scale=0.5)
    m.operator("TRANSPOSE", [source, _numbers(m, [1, 0])], [out])
    refused(m.build([source], [out]), "one scale; here: .* has 2 scales")
