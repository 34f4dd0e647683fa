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
          T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}
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
                for offset in scales:
                    d = (rng.normal(size=BLOCKS) * 0.05).astype(np.float16)
                    d[0] = np.float16(6e-8)  # the smallest subnormal
                    blocks[:, offset:offset + 2] = d.view(np.uint8).reshape(BLOCKS, 2)
                raw = blocks.reshape(-1)
            expected = dequantize(raw, kind).astype(np.float32).reshape(-1)
            out.write(struct.pack("<iII", int(kind), raw.size, expected.size))
            out.write(raw.tobytes())
            out.write(expected.tobytes())


main()
