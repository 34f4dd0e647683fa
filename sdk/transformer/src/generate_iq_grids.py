#!/usr/bin/env python3
"""Prints iq_grids.inc: the code books of the GGUF types IQ1_S to IQ3_S, which are part of the file format.

Eight numbers of three kinds are one uint16 with two bits each, four of eight kinds one uint16 with four bits each, the
first in the lowest bits. Run: generate_iq_grids.py > iq_grids.inc
"""
import numpy as np
from gguf import quants

print("// Made by generate_iq_grids.py from the code books that the GGUF format defines; not to be edited.")
for name, kind in (("kIq2XxsGrid", quants.IQ2_XXS), ("kIq2XsGrid", quants.IQ2_XS), ("kIq2SGrid", quants.IQ2_S),
                   ("kIq3XxsGrid", quants.IQ3_XXS), ("kIq3SGrid", quants.IQ3_S), ("kIq1SGrid", quants.IQ1_S)):
    kind.init_grid()
    grid = kind.grid.reshape(kind.grid_shape)
    index = np.argmin(np.abs(grid[..., None] - np.array(kind.grid_map, np.float32)), axis=-1).astype(np.uint32)
    bits = 16 // grid.shape[1]
    words = [int(sum(int(v) << (bits * i) for i, v in enumerate(row))) for row in index]
    print(f"constexpr std::array<uint16_t, {len(words)}> {name} = {{")
    for at in range(0, len(words), 16):
        print("    " + " ".join(f"{w}," for w in words[at:at + 16]))
    print("};")
