// Counts every operator new of the process: a step must not allocate once one like it has run.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/sdk/support/plugin.hpp"
#include "tests/sdk/support/random_model.hpp"

namespace {
std::atomic<uint64_t> allocations{0};

void* counted(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
    throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace gantry::test {
namespace {

TEST(Steps, AllocateNothingAfterTheFirstOfTheirSize) {
    const Plugin reference(built_plugin("reference"));
    const TestModel f32 = random_model(GANTRY_DTYPE_Q8_0, 1);
    const auto model = reference.load(f32);
    const int32_t ids[] = {1, 2, 3, 4, 5}, tree[] = {-1, 0, 0, -1, 0};
    const uint32_t token_begin[] = {0, 3, 5}, context[] = {0, 0}, block_begin[] = {0, 1, 2}, blocks[] = {0, 1};
    const uint32_t rows[] = {2, 4};
    std::vector<float> logits(2 * 128);
    gantry_batch_t batch{};
    batch.struct_size = GANTRY_SIZE(gantry_batch_t, hidden);
    batch.sequence_count = batch.logit_row_count = 2;
    batch.token_count = 5;
    batch.token_ids = ids;
    batch.token_begin = token_begin;
    batch.context_len = context;
    batch.block_begin = block_begin;
    batch.block_ids = blocks;
    batch.logit_rows = rows;
    batch.logits = logits.data();
    batch.tree_parent = tree;
    ASSERT_EQ(model->lm().execute(model->get(), &batch), nullptr);
    const uint64_t before = allocations.load();
    ASSERT_GT(before, 0U);
    for (int i = 0; i < 3; ++i) ASSERT_EQ(model->lm().execute(model->get(), &batch), nullptr);
    EXPECT_EQ(allocations.load(), before);
}

}  // namespace
}  // namespace gantry::test
