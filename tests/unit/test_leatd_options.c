/* leatd's arguments, and the lock on its folder. */
#include "domain/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct options options;
static struct why why;

static status parse(int argc, char **argv)
{
    bool help = false;
    why.text[0] = 0;
    return options_parse(&options, argc, argv, &help, &why);
}
#define PARSE(...)                                                                                 \
    ({                                                                                             \
        char *argv_[] = { "leatd", __VA_ARGS__, NULL };                                            \
        parse((int)ARRAY_LEN(argv_) - 1, argv_);                                                   \
    })

static void test_defaults_stand_where_nothing_is_said(void **state)
{
    (void)state;
    assert_true(is_ok(PARSE("--data", "x")));
    assert_string_equal(options.domain.listen, "127.0.0.1:8080");
    assert_int_equal(options.domain.broker_port_first, 19092);
    assert_int_equal(options.domain.broker_port_last, 29091);
    assert_null(options.domain.advertise);
    assert_true(options.domain.demo);
    assert_int_equal(options.domain.min_free, -1);
    assert_true(strlen(options.domain.bin_dir) > 0);
}

static void test_what_is_said_is_taken(void **state)
{
    (void)state;
    assert_true(is_ok(PARSE("--data", "x", "--listen", "0.0.0.0:81", "--broker-ports", "5-7", "--advertise",
                            "kafka.local", "--no-demo", "--web", "w", "--min-free", "500M")));
    assert_int_equal(options.domain.min_free, 500LL << 20);
    assert_int_equal(options.domain.broker_port_first, 5);
    assert_int_equal(options.domain.broker_port_last, 7);
    assert_string_equal(options.domain.advertise, "kafka.local");
    assert_false(options.domain.demo);
    assert_true(is_ok(PARSE("--data", "x", "--min-free", "0")));
    assert_int_equal(options.domain.min_free, 0);
}

static void test_bad_options_are_named(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--data", "x", "--frobnicate").code, E_INVALID);
    assert_non_null(strstr(why.text, "--frobnicate"));
    assert_int_equal(PARSE("--data").code, E_INVALID);
    assert_int_equal(PARSE("--no-demo").code, E_INVALID);
    assert_int_equal(PARSE("--data", "x", "--listen", "8080").code, E_INVALID);
    static char *const sizes[] = { "", "M", "5T", "5MB", "-1", "99999999999G", "1.5G" };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(PARSE("--data", "x", "--min-free", sizes[i]).code, E_INVALID);
        assert_non_null(strstr(why.text, "--min-free"));
    }
    assert_int_equal(PARSE("--data", "x", "--broker-ports", "9-8").code, E_INVALID);
    assert_int_equal(PARSE("--data", "x", "--broker-ports", "1-70000").code, E_INVALID);
    assert_int_equal(PARSE("--data", "x", "--advertise", "a b").code, E_INVALID);
}

static int claim_in_child(char *dir)
{
    pid_t pid = fork();
    if (pid == 0) {
        bool locked = is_ok(PARSE("--data", dir)) && options_claim_folder(&options, &why).code == E_LOCKED &&
                      strstr(why.text, "already");
        _exit(locked ? 0 : 1);
    }
    int code = -1;
    assert_int_equal(waitpid(pid, &code, 0), pid);
    return code;
}

static void test_a_folder_has_one_leatd(void **state)
{
    char base[] = "/tmp/leat-options-XXXXXX", dir[64], pid_file[80];
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(base));
    snprintf(dir, sizeof dir, "%s/data", base);
    snprintf(pid_file, sizeof pid_file, "%s/leatd.pid", dir);
    assert_true(is_ok(PARSE("--data", dir)));
    assert_true(is_ok(options_claim_folder(&options, &why)));
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    struct options mine = options;
    assert_int_equal(claim_in_child(dir), 0);
    options_release_folder(&mine);
    assert_int_equal(access(pid_file, F_OK), -1);
    rmdir(dir);
    rmdir(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_stand_where_nothing_is_said),
        cmocka_unit_test(test_what_is_said_is_taken),
        cmocka_unit_test(test_bad_options_are_named),
        cmocka_unit_test(test_a_folder_has_one_leatd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
