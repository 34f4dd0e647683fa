#include "runtime/encoder/rows.hpp"

#include <algorithm>
#include <cmath>

namespace gantry::encoder {

std::vector<float> first_components(std::vector<float> rows, uint64_t width, uint64_t keep) {
    const size_t count = width == 0 ? 0 : rows.size() / width;
    for (size_t row = 1; row < count; ++row) {
        std::copy_n(rows.data() + row * width, keep, rows.data() + row * keep);
    }
    rows.resize(count * keep);
    return rows;
}

void normalize_rows(std::vector<float>& rows, uint64_t width) {
    for (size_t begin = 0; width > 0 && begin + width <= rows.size(); begin += width) {
        double sum = 0;
        for (size_t i = begin; i < begin + width; ++i) {
            sum += double{rows[i]} * double{rows[i]};
        }
        const double scale = sum > 0 ? 1 / std::sqrt(sum) : 1;
        for (size_t i = begin; i < begin + width; ++i) {
            rows[i] = static_cast<float>(double{rows[i]} * scale);
        }
    }
}

void logistic_rows(std::vector<float>& rows) {
    for (float& value : rows) {
        value = static_cast<float>(1 / (1 + std::exp(-double{value})));
    }
}

void softmax_rows(std::vector<float>& rows, uint64_t width) {
    for (size_t begin = 0; width > 0 && begin + width <= rows.size(); begin += width) {
        const auto row = rows.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto end = row + static_cast<std::ptrdiff_t>(width);
        const double most = *std::max_element(row, end);
        double sum = 0;
        std::for_each(row, end, [&](float value) { sum += std::exp(double{value} - most); });
        std::for_each(row, end,
                      [&](float& value) { value = static_cast<float>(std::exp(double{value} - most) / sum); });
    }
}

}  // namespace gantry::encoder
