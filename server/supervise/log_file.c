/* log_file.c - the log of a process: bounded in size and number, and its last lines. Any thread.
 *
 * Copied and emptied, since the process holds the file open (to append, so it goes on at the new end).
 * A line written between the two is lost; a log is not a ledger. */
#include "supervise/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 1040
#define TAIL_BYTES (256 << 10)
#define CHUNK 65536

static void numbered(const char *path, int n, char ret[PATH_SIZE])
{
    snprintf(ret, PATH_SIZE, "%s.%d", path, n);
}

/* From `at` to the end. */
static bool copy(int from, int64_t at, const char *path)
{
    char chunk[CHUNK];
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0) return false;
    ssize_t n;
    bool fine = true;
    for (int64_t left = LOG_FILE_BYTES; fine && left > 0 && (n = pread(from, chunk, sizeof chunk, at)) > 0;
         at += n, left -= n)
        fine = write(to, chunk, (size_t)n) == n;
    close(to);
    return fine;
}

void log_file_rotate(const char *path)
{
    char older[PATH_SIZE], newer[PATH_SIZE];
    struct stat st;
    if (stat(path, &st) != 0 || st.st_size <= LOG_FILE_BYTES) return;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    for (int n = LOG_FILE_KEPT; n > 1; n--) {
        numbered(path, n, older);
        numbered(path, n - 1, newer);
        (void)rename(newer, older);
    }
    numbered(path, 1, newer);
    (void)copy(fd, st.st_size - LOG_FILE_BYTES, newer); /* on a full disk the bound counts for more */
    if (ftruncate(fd, 0) != 0) unlink(path);
    close(fd);
}

static status read_end(const char *path, size_t most, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? OK : status_from_errno(errno);
    off_t end = lseek(fd, 0, SEEK_END), at = end > (off_t)most ? end - (off_t)most : 0;
    char chunk[CHUNK];
    ssize_t n;
    while (at < end && (n = pread(fd, chunk, sizeof chunk, at)) > 0) {
        buf_put(out, chunk, (size_t)n);
        at += n;
    }
    close(fd);
    return buf_check(out);
}

/* Where the last `lines` lines begin. */
static size_t last_lines(struct bytes text, int lines)
{
    size_t at = text.len;
    if (at && text.data[at - 1] == '\n') at--;
    while (at > 0 && (text.data[at - 1] != '\n' || --lines > 0)) at--;
    return at;
}

status log_file_tail(const char *path, int lines, struct buf *out)
{
    char older[PATH_SIZE];
    struct buf text;
    numbered(path, 1, older);
    buf_init(&text, (size_t)2 * TAIL_BYTES + 1);
    struct stat st;
    bool both = stat(path, &st) != 0 || st.st_size < TAIL_BYTES;
    status result = both ? read_end(older, TAIL_BYTES, &text) : OK;
    if (is_ok(result)) result = read_end(path, TAIL_BYTES, &text);
    struct bytes all = buf_bytes(&text);
    size_t at = last_lines(all, lines);
    if (all.len - at > TAIL_BYTES) at = all.len - TAIL_BYTES;
    if (is_ok(result) && all.len > at) buf_put(out, all.data + at, all.len - at);
    buf_done(&text);
    return failed(result) ? result : buf_check(out);
}
