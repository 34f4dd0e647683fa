#!/usr/bin/env python3
"""Writes tests/plugins/adapters: a LoRA adapter for the registry's tiny llama, saved by PEFT, and the logits that
transformers computes with the adapter merged into the weights.

    generate_adapters.py [OUT]      (default: adapters/ beside this script)

Needs torch, transformers, peft, safetensors.
"""
import pathlib
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "adapters"
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PROMPT = [5, 17, 99, 3, 44, 61, 7, 120, 33]

torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(HERE.parent / "registry" / "fixtures" / "llama", dtype=torch.float32)
model = get_peft_model(model, LoraConfig(r=4, lora_alpha=10, target_modules=MODULES, init_lora_weights=False))
for name, parameter in model.named_parameters():
    if "lora_" in name:
        torch.nn.init.normal_(parameter, std=0.2)
model.peft_config["default"].base_model_name_or_path = "tiny-llama"
folder = OUT / "llama"
shutil.rmtree(folder, ignore_errors=True)
model.save_pretrained(folder)
(folder / "README.md").unlink(missing_ok=True)
logits = model.merge_and_unload()(torch.tensor([PROMPT])).logits[0]
save_file({"prompt": torch.tensor(PROMPT, dtype=torch.int32), "logits": logits.contiguous()},
          folder / "expected.safetensors")
for file in folder.iterdir():
    file.chmod(0o644)
