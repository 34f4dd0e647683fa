#!/usr/bin/env python3
"""Writes quant_blocks.bin: random blocks of every quantised type and what gguf-py decodes them to.

Records until the end of the file, little-endian: int32 dtype, uint32 bytes, uint32 elements, the raw bytes, the
elements as float32. Scales are kept finite, everything else is random. Run: generate_quant_blocks.py OUT
"""
import struct
import sys

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize

# type -> byte offsets of the fp16 scales in a block
SCALES = {T.F16: None, T.BF16: None, T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
          T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.Q2_K: [80, 82], T.Q3_K: [108], T.IQ1_S: [0], T.IQ1_M: [],
          T.IQ2_XXS: [0], T.IQ2_XS: [0], T.IQ2_S: [0], T.IQ3_XXS: [0], T.IQ3_S: [0], T.IQ4_NL: [0], T.IQ4_XS: [0],
          T.MXFP4: []}
BLOCKS = 12


def main() -> None:
    rng = np.random.default_rng(20240607)
    with open(sys.argv[1], "wb") as out:
        for kind, scales in SCALES.items():
            elements, size = GGML_QUANT_SIZES[kind]
            if scales is None:
                values = rng.normal(size=64).astype(np.float32)
                raw = (values.astype(np.float16).view(np.uint8) if kind == T.F16 else
                       np.ascontiguousarray((values.view(np.uint32) >> 16).astype(np.uint16)).view(np.uint8))
            else:
                blocks = rng.integers(0, 256, size=(BLOCKS, size), dtype=np.uint8)
                for offset in scales or [None]:
                    d = (rng.normal(size=BLOCKS) * 0.05).astype(np.float16)
                    d[0] = np.float16(6e-8)  # the smallest subnormal
                    if offset is not None:
                        blocks[:, offset:offset + 2] = d.view(np.uint8).reshape(BLOCKS, 2)
                if kind == T.IQ1_M:  # the bits of its scale are the top nibbles of its last four words
                    for i in range(4):
                        nibble = (d.view(np.uint16) >> (4 * i) & 15).astype(np.uint8)
                        blocks[:, 49 + 2 * i] = blocks[:, 49 + 2 * i] & 15 | nibble << 4
                if kind == T.MXFP4:  # the extremes of the exponent, then numbers like those in files
                    blocks[:, 0] = [0, 1, 2, 127, 200, *rng.integers(110, 130, size=BLOCKS - 5)]
                raw = blocks.reshape(-1)
            expected = dequantize(raw, kind).astype(np.float32).reshape(-1)
            out.write(struct.pack("<iII", int(kind), raw.size, expected.size))
            out.write(raw.tobytes())
            out.write(expected.tobytes())


main()
