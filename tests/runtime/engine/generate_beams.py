#!/usr/bin/env python3
"""Writes beam_cases.json with transformers' own beam search over models that are tables: the logits of the next token
depend on the last two tokens. Logits are multiples of 1/64, so that floats have them exactly."""
import json
import pathlib

import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

VOCABULARY = 9


class TableConfig(PretrainedConfig):
    model_type = "table"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = VOCABULARY
        self.num_hidden_layers = 1
        self.hidden_size = 1
        self.num_attention_heads = 1


class TableModel(PreTrainedModel, GenerationMixin):
    config_class = TableConfig

    def __init__(self, config, table):
        super().__init__(config)
        self.table = table
        self.dummy = torch.nn.Parameter(torch.zeros(1))

    def forward(self, input_ids, attention_mask=None, **_):
        return CausalLMOutputWithPast(logits=self.table[input_ids[:, :-1], input_ids[:, 1:]])

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **_):
        return {"input_ids": input_ids}


def main():
    torch.manual_seed(4)
    tables, cases = [], []
    for spread in (1.0, 2.0, 3.0):
        table = torch.round(torch.randn(VOCABULARY, VOCABULARY, VOCABULARY) * spread * 64)
        table[:, :, 0] += 64
        while any(len(set(row)) < VOCABULARY for page in table.tolist() for row in page):
            table += torch.randint(-2, 3, table.shape)  # no ties, which torch.topk breaks as it likes
        tables.append(table.int().tolist())
        model = TableModel(TableConfig(), table / 64).eval()
        for width in (2, 4, 5):
            for penalty in (0.0, 1.0, 2.0, -0.5):
                for early in (False, True, "never"):
                    for ends in ([0], [], [0, 3]):
                        out = model.generate(
                            torch.tensor([[2, 1]]), attention_mask=torch.ones(1, 2, dtype=torch.long),
                            generation_config=GenerationConfig(
                                num_beams=width, num_return_sequences=width, max_new_tokens=7,
                                length_penalty=penalty, early_stopping=early, eos_token_id=ends or None,
                                pad_token_id=8, do_sample=False, use_cache=False, return_dict_in_generate=True,
                                output_scores=True))
                        beams = []
                        for ids, score in zip(out.sequences[:, 2:].tolist(), out.sequences_scores.tolist()):
                            stop = next((i + 1 for i, t in enumerate(ids) if t in ends), len(ids))
                            beams.append({"ids": ids[:stop], "score": round(score, 5)})
                        cases.append({"table": len(tables) - 1, "width": width, "penalty": penalty,
                                      "early": {False: 0, True: 1, "never": 2}[early], "ends": ends, "beams": beams})
    path = pathlib.Path(__file__).with_name("beam_cases.json")
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    path.write_text('{"tables":' + json.dumps(tables, separators=(",", ":")) + ',"cases":[\n' + lines + "\n]}\n")
    print(len(cases), "cases")


main()
