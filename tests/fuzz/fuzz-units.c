/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, durations, modes, numbers and times: what is read and written again is read as the same.
 */
#include "fuzz.h"

#include "base/clock.h"
#include "codec/units.h"

#include <string.h>

static void try_size(const char *text)
{
        uint64_t bytes, back;
        g_autofree char *exact = NULL, *rounded = NULL;

        if (!dol_size_parse(text, &bytes, NULL))
                return;
        fuzz_require(bytes <= INT64_MAX);
        exact = dol_size_format(bytes);
        fuzz_require(dol_size_parse(exact, &back, NULL) && back == bytes);
        rounded = dol_size_format_short(bytes);
        fuzz_require(strlen(rounded) <= 5);
}

static void try_duration(const char *text)
{
        int64_t usec, back;
        g_autofree char *exact = NULL;

        if (!dol_duration_parse(text, &usec, NULL))
                return;
        fuzz_require(usec >= 0 && usec <= DOL_DURATION_MAX_USEC);
        exact = dol_duration_format(usec);
        fuzz_require(dol_duration_parse(exact, &back, NULL) && back == usec);
}

static void try_time(const char *text)
{
        int64_t usec, back;
        g_autofree char *exact = NULL;

        if (!dol_time_parse(text, &usec, NULL))
                return;
        exact = dol_time_format(usec);
        fuzz_require(dol_time_parse(exact, &back, NULL) && back == usec);
}

static void try_numbers(const char *text)
{
        static const uint64_t limits[] = {0, 1, 7, 10, 255, UINT32_MAX, INT64_MAX, UINT64_MAX};
        uint64_t number;
        uint32_t mode;
        bool word;

        for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++)
                fuzz_require(!dol_number_parse(text, limits[i], &number, NULL) ||
                             number <= limits[i]);
        fuzz_require(!dol_mode_parse(text, &mode, NULL) || mode <= 07777);
        dol_bool_parse(text, &word, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = fuzz_text(data, size);

        try_size(text);
        try_duration(text);
        try_time(text);
        try_numbers(text);
        return 0;
}
