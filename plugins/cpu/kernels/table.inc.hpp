// The table of one translation unit's kernels. Included last.
#pragma once

#include "plugins/cpu/kernels/attention.inc.hpp"

namespace {

constexpr gantry::cpu::Kernels make_table(gantry::cpu::Isa isa, std::string_view name) {
    return {.isa = isa,
            .name = name,
            .quantize = quantize,
            .packed = {packed<Pack::kQ8_0>, packed<Pack::kQ4_0>, packed<Pack::kQ4_1>, packed<Pack::kQ5_0>,
                       packed<Pack::kQ5_1>, packed<Pack::kQ2K>, packed<Pack::kQ4K>, packed<Pack::kQ5K>,
                       packed<Pack::kQ6K>, packed<Pack::kIq4Nl>, packed<Pack::kMxfp4>, packed<Pack::kCodes>},
            .dot = {dot<Element::kF32>, dot<Element::kF16>, dot<Element::kBf16>},
            .attention = {attention<Element::kF32>, attention<Element::kF16>, attention<Element::kBf16>},
            .expand_q8 = {expand_q8_keys, expand_q8_values},
            .expand_q4 = {expand_q4_keys, expand_q4_values},
            .rms_norm = rms_norm,
            .add_rms_norm = add_rms_norm,
            .layer_norm = layer_norm,
            .rope_half = rope_half,
            .rope_interleaved = rope_interleaved,
            .gated = gated,
            .add = add_kernel,
            .scale = scale_kernel,
            .softcap = softcap_kernel,
            .copy_logits = copy_logits,
            .to_f16 = to_f16,
            .to_bf16 = to_bf16,
            .from_f16 = from_f16,
            .from_bf16 = from_bf16};
}

}  // namespace
