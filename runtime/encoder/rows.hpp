#pragma once

/// What is done with a model's rows before a client gets them.

#include <cstdint>
#include <vector>

namespace gantry::encoder {

/// Keeps the first `keep` components of every row of `width`.
std::vector<float> first_components(std::vector<float> rows, uint64_t width, uint64_t keep);
/// Each row to unit length; a row of zeros stays.
void normalize_rows(std::vector<float>& rows, uint64_t width);
/// Outputs of a classification head to numbers between 0 and 1: each by itself, or a row's so that they add up to 1.
void logistic_rows(std::vector<float>& rows);
void softmax_rows(std::vector<float>& rows, uint64_t width);

}  // namespace gantry::encoder
