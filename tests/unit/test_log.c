/* test_log.c - the lines that a program keeps of its own log. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static char memory[200];

/* What is kept, without the time of each line. */
static void expect(int lines, const char *wanted)
{
    struct buf out;
    char texts[512] = "";
    size_t at = 0;
    buf_init(&out, 1024);
    log_kept(lines, &out);
    struct bytes kept = buf_bytes(&out);
    const char *line = (const char *)kept.data;
    for (size_t i = 0; i < kept.len; i++) {
        if (kept.data[i] != '\n') continue;
        const char *end = (const char *)kept.data + i;
        assert_true(end - line > 25);
        at += (size_t)snprintf(texts + at, sizeof texts - at, "%.*s;", (int)(end - line - 25), line + 25);
        line = end + 1;
    }
    assert_ptr_equal(line, (const char *)kept.data + kept.len);
    assert_string_equal(texts, wanted);
    buf_done(&out);
}

static void test_the_newest_lines_are_kept_whole_and_in_order(void **state)
{
    (void)state;
    expect(10, "");
    log_keep(memory, sizeof memory);
    expect(10, "");
    log_info("one");
    log_warn("two");
    expect(10, "info one;warn two;");
    expect(2, "info one;warn two;");
    expect(1, "warn two;");
    expect(0, "");
    log_debug("is not logged");
    log_error("a %s\nb", "control");
    expect(1, "error a control\\x0ab;");
}

static void test_what_no_longer_fits_goes_line_by_line(void **state)
{
    (void)state;
    log_keep(memory, sizeof memory);
    for (int i = 10; i < 60; i++) log_info("line %d", i); /* 38 bytes each: five and a bit */
    expect(10, "info line 55;info line 56;info line 57;info line 58;info line 59;");
    expect(3, "info line 57;info line 58;info line 59;");
    log_info("%0250d", 1); /* longer than all that is kept: not kept */
    expect(1, "info line 59;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_lines_are_kept_whole_and_in_order),
        cmocka_unit_test(test_what_no_longer_fits_goes_line_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
