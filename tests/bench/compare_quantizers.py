"""Compares the error of `gantry convert` with that of other encoders on the same tensors.

Usage: compare_quantizers.py GANTRY [LIBGGML_BASE.so]

Without the library the peer is the `gguf` package, which encodes the types without K only; with it ggml_quantize_chunk.
Also reads each file with the package, so that a file that it cannot read is an error. Exit code 1 where one of our
errors is larger than the peer's.
"""

import ctypes
import math
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np

ROWS, COLUMNS = 256, 1024
TYPES = {"Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q4_K_S": 12, "Q5_K_S": 13, "Q6_K": 14}


def tensors():
    random = np.random.default_rng(3)
    shape = (ROWS, COLUMNS)
    outliers = random.normal(0, 0.02, shape)
    outliers[random.random(shape) < 0.002] *= 20
    return {
        "normal": random.normal(0, 0.02, shape),
        "laplace": random.laplace(0, 0.02, shape),
        "outliers": outliers,
        "uniform": random.uniform(-1, 1, shape),
        "positive": np.abs(random.normal(0.5, 0.2, shape)),
    }


def write_source(path, values):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(64)
    for index, (_, value) in enumerate(values.items()):
        # Layers from the middle and a projection without a rule of its own: all get the mixture's main type.
        writer.add_tensor(f"blk.{20 + index}.attn_q.weight", value.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def peer(library, number, value):
    kind = gguf.GGMLQuantizationType(number)
    if library is None:
        try:
            return gguf.quants.quantize(value, kind)
        except NotImplementedError:
            return None
    block, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros(value.size // block * size, np.uint8)
    library.ggml_quantize_chunk(number, value.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p),
                                ctypes.c_int64(0), ctypes.c_int64(value.shape[0]), ctypes.c_int64(value.shape[1]), None)
    return out.reshape(value.shape[0], -1)


def main():
    program = sys.argv[1]
    library = ctypes.CDLL(sys.argv[2]) if len(sys.argv) > 2 else None
    if library is not None:
        library.ggml_quantize_chunk.restype = ctypes.c_size_t
    values = {name: value.astype(np.float32) for name, value in tensors().items()}
    worse = False
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "source.gguf")
        write_source(source, values)
        print(f"{'type':8}{'tensor':10}{'gantry':>12}{'peer':>12}{'ratio':>8}")
        for name, number in TYPES.items():
            target = pathlib.Path(folder, name + ".gguf")
            subprocess.run([program, "convert", source, target, "--type", name, "--quiet"], check=True,
                           stdout=subprocess.DEVNULL)
            for ours, (label, value) in zip(gguf.GGUFReader(target).tensors, values.items()):
                assert ours.tensor_type == number, (ours.name, ours.tensor_type)
                theirs = peer(library, number, value)
                if theirs is None:
                    continue
                kind = gguf.GGMLQuantizationType(number)
                errors = [math.sqrt(np.mean((gguf.quants.dequantize(data, kind) - value) ** 2, dtype=np.float64))
                          for data in (ours.data, theirs)]
                print(f"{name:8}{label:10}{errors[0]:12.4e}{errors[1]:12.4e}{errors[0] / errors[1]:8.4f}")
                worse |= errors[0] > errors[1] * (1 + 1e-6)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
