/* leat_inspect.c - `leat-broker check` and `leat-broker dump`. */
#include "leat.h"

#include "base/mem.h"
#include "storage/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int refuse(const char *path, const char *why)
{
    fprintf(stderr, "leat-broker: %s: %s\n", path, why);
    return LEAT_FAILED;
}

static int folder_fs(const char *folder, struct fs **ret_fs)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return refuse(folder, strerror(errno));
    status made = fs_posix_new(fd, ret_fs);
    return is_ok(made) ? LEAT_OK : refuse(folder, status_text(made));
}

static int check(const char *folder)
{
    struct fs *fs = NULL;
    struct inspect_totals totals = { 0 };
    int code = folder_fs(folder, &fs);
    if (code != LEAT_OK) return code;
    status s = inspect_check(fs, stdout, &totals);
    fs_posix_free(fs);
    if (failed(s)) return refuse(folder, status_text(s));
    return totals.damages ? LEAT_FAILED : LEAT_OK;
}

static int dump(const char *path, bool records)
{
    struct fs *fs = NULL;
    char *folder = mem_must(mem_strdup(path));
    char *slash = strrchr(folder, '/');
    const char *name = slash ? path + (slash - folder) + 1 : path;
    if (slash) slash[slash == folder] = 0;
    int code = folder_fs(slash ? folder : ".", &fs);
    mem_free(folder);
    if (code != LEAT_OK) return code;
    status s = inspect_dump(fs, name, records, stdout);
    fs_posix_free(fs);
    if (s.code == E_INVALID)
        return refuse(path,
                      "no .log, .index, .snap, .aborted, checkpoint or journal of a data folder");
    return is_ok(s) ? LEAT_OK : refuse(path, status_text(s));
}

int leat_broker_inspect(int count, const char *const *arguments)
{
    bool checks = count > 0 && strcmp(arguments[0], "check") == 0;
    bool dumps = count > 0 && strcmp(arguments[0], "dump") == 0;
    if (!checks && !dumps) return -1;
    bool records = dumps && count == 3 && strcmp(arguments[2], "--records") == 0;
    if (count != 2 && !records) {
        fputs(checks ? "usage: leat-broker check DIR\n"
                     : "usage: leat-broker dump FILE [--records]\n",
              stderr);
        return LEAT_USAGE;
    }
    return checks ? check(arguments[1]) : dump(arguments[1], records);
}
