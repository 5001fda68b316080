"""Let a decoder's block make the components of a patch's quarters out of the patch's own (`linear_start`)."""

from __future__ import annotations

from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock

from models.training.networks.kept_rows import CENTRE, LEFT, UP, KeptRows, bias_of, convolutions, put
from models.training.networks.patch_levels import MARGIN, QUARTERS, Level, Maps


def write_gates(
    block: AutoencoderTinyBlock,
    kept_rows: KeptRows,
    levels: tuple[Level, Level],
    maps: Maps,
    part: range,
    width: int,
) -> None:
    """Add, for the components `part` of the next level, what sets three quarters apart from the first."""
    (large, small), (matrices, offsets), first = levels, maps, part.start == 0
    one, codes = width - 5, list(range(width - 4, width))
    a, b, c = convolutions(block)
    old, new = codes[:2], codes[2:]
    if not part:  # All are made: the components that they were made of may be written over.
        kept_rows.keep(c, [*range(large.count, large.count + small.count), one, *codes])
        return
    seen = list(range(large.count, large.count + 4))
    kept_rows.keep(a, [*range(large.count), *(seen if first else seen[:2])])
    for n in range(large.count):
        put(a, n, n, 1)
    if first:
        for axis, tap in enumerate((LEFT, UP)):
            both_odd, both_even = seen[2 * axis], seen[2 * axis + 1]
            for where in (CENTRE, tap):
                put(a, both_odd, old[axis], 1, where)
                put(a, both_even, old[axis], -1, where)
                put(a, both_even, one, 1, where)
            for row in (both_odd, both_even):
                bias_of(a)[row] = -1
    else:
        for axis in range(2):
            put(a, seen[axis], new[axis], 1)
    halves = ([seen[0], seen[1]], [seen[2], seen[3]]) if first else ([seen[0]], [seen[1]])  # right, down
    quarter_rows = [3 * len(part) + n for n in range(3)]
    code_rows = [3 * len(part) + 3, 3 * len(part) + 4] if first else []
    kept_rows.keep(b, [*range(3 * len(part)), *quarter_rows, *code_rows])
    kept = [*range(large.count + small.count), one, *codes]
    kept_rows.keep(c, kept)
    for which, (down, right) in enumerate(QUARTERS[1:]):
        difference = matrices[which + 1] - matrices[0]
        constant = offsets[which + 1] - offsets[0]
        values = large.values @ difference.T + constant
        reach = (values.amax(0) - values.amin(0)) * MARGIN + 0.1
        low, high = values.amin(0) - reach, values.amax(0) + reach
        signs = (1.0 if right else -1.0), (1.0 if down else -1.0)
        wanted = right + down
        for half, sign in zip(halves, signs, strict=True):
            for row in half:
                put(b, quarter_rows[which], row, sign)
        bias_of(b)[quarter_rows[which]] = 1 - wanted
        for place, n in enumerate(part):
            row, size = 3 * place + which, float(high[n] - low[n])
            for m in range(large.count):
                put(b, row, m, float(difference[n, m]))
            for half, sign in zip(halves, signs, strict=True):
                for column in half:
                    put(b, row, column, sign * size)
            bias_of(b)[row] = constant[n] - difference[n] @ large.shift - low[n] - wanted * size
            put(c, large.count + n, row, 1)
            put(c, large.count + n, quarter_rows[which], float(low[n]))
    for axis, row in enumerate(code_rows):
        for column in halves[axis]:
            put(b, row, column, 1)
        put(c, new[axis], row, 1)
