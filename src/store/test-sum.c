/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sum.h"

#include <glib.h>
#include <string.h>

/* Sums are in every store file: they must never change. */
static void test_known(void)
{
        g_assert_cmphex(dol_sum(0, "", 0), ==, UINT64_C(0));
        g_assert_cmphex(dol_sum(0, "dolium", 6), ==, UINT64_C(0x4fc7e9b47b491533));
        g_assert_cmphex(dol_sum(7, "a text of more than one word", 28), ==,
                        UINT64_C(0x63c9f5386ff1919f));
}

static void test_one_bit(void)
{
        char bytes[41];

        for (unsigned size = 1; size <= sizeof(bytes); size++) {
                uint64_t sum;

                memset(bytes, 'x', size);
                sum = dol_sum(0, bytes, size);
                for (unsigned bit = 0; bit < size * 8; bit++) {
                        bytes[bit / 8] ^= (char)(1 << bit % 8);
                        g_assert_cmphex(dol_sum(0, bytes, size), !=, sum);
                        bytes[bit / 8] ^= (char)(1 << bit % 8);
                }
                g_assert_cmphex(dol_sum(0, bytes, size - 1), !=, sum);
                g_assert_cmphex(dol_sum(1, bytes, size), !=, sum);
        }
}

/* Zeros at the end count, and so does where one part ends and the next begins. */
static void test_borders(void)
{
        static const char zeros[16];

        for (unsigned i = 0; i < sizeof(zeros); i++)
                g_assert_cmphex(dol_sum(0, zeros, i), !=, dol_sum(0, zeros, i + 1));
        g_assert_cmphex(dol_sum(dol_sum(0, "ab", 2), "c", 1), !=,
                        dol_sum(dol_sum(0, "a", 1), "bc", 2));
}

static void test_unaligned(void)
{
        char bytes[32];
        uint64_t sum = dol_sum(0, "some words at any address", 25);

        for (unsigned i = 0; i < 7; i++) {
                memcpy(bytes + i, "some words at any address", 25);
                g_assert_cmphex(dol_sum(0, bytes + i, 25), ==, sum);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/store/sum/known", test_known);
        g_test_add_func("/store/sum/one-bit", test_one_bit);
        g_test_add_func("/store/sum/borders", test_borders);
        g_test_add_func("/store/sum/unaligned", test_unaligned);
        return g_test_run();
}
