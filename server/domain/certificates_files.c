/* certificates_files.c - keys and certificates on disk. Any thread. */
#include "domain/certificates_files.h"

#include "base/uuid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHAIN_BEGINS "-----BEGIN CERTIFICATE-----"

static status folder_open(const char *data_dir, int *ret_fd)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/tls", data_dir);
    if (n < 0 || (size_t)n >= sizeof path) return FAIL(INVALID);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) return status_from_errno(errno);
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? status_from_errno(errno) : OK;
}

static status read_in(int dir, const char *name, struct buf *out)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? FAIL(NOT_FOUND) : status_from_errno(errno);
    status result = OK;
    for (ssize_t n = 1; n > 0 && is_ok(result);) {
        uint8_t *to = buf_reserve(out, 4096);
        n = to ? read(fd, to, 4096) : -1;
        if (!to) result = FAIL(LIMIT);
        else if (n < 0) result = status_from_errno(errno);
        else out->len += (size_t)n;
    }
    close(fd);
    return result;
}

static bool write_all(int fd, struct bytes b)
{
    while (b.len) {
        ssize_t n = write(fd, b.data, b.len);
        if (n <= 0) return false;
        b = bytes_of(b.data + n, b.len - (size_t)n);
    }
    return true;
}

/* Under a passing name first, so that what has the name is whole. */
static status write_in(int dir, const char *name, struct bytes first, struct bytes second)
{
    unlinkat(dir, "new", 0);
    int fd = openat(dir, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return status_from_errno(errno);
    bool written = write_all(fd, first) && write_all(fd, second) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    if (!written) return status_from_errno(error);
    if (renameat(dir, "new", dir, name) != 0 || fsync(dir) != 0) return status_from_errno(errno);
    return OK;
}

status certificate_files_open(const char *data_dir, struct buf *ret_ca, struct buf *ret_ca_key)
{
    int dir;
    TRY(folder_open(data_dir, &dir));
    status key = read_in(dir, "ca.key", ret_ca_key);
    status ca = read_in(dir, "ca.pem", ret_ca);
    close(dir);
    if (is_ok(key) && ca.code == E_NOT_FOUND) { /* the first start ended between the two */
        OPENSSL_cleanse(ret_ca_key->data, ret_ca_key->len);
        buf_clear(ret_ca_key);
        return FAIL(NOT_FOUND);
    }
    if (is_ok(ca) && key.code == E_NOT_FOUND) return FAIL(CORRUPT);
    return failed(key) ? key : ca;
}

status certificate_ca_write(const char *data_dir, struct bytes ca, struct bytes ca_key)
{
    int dir;
    TRY(folder_open(data_dir, &dir));
    status result = write_in(dir, "ca.key", ca_key, BYTES_NULL);
    if (is_ok(result)) result = write_in(dir, "ca.pem", ca, BYTES_NULL);
    close(dir);
    return result;
}

status certificate_file_write(const char *data_dir, const char *cluster_id, struct bytes chain,
                              struct bytes key, char ret_file[CERTIFICATE_FILE_NAME])
{
    char random[UUID_TEXT];
    int dir;
    uuid_format(uuid_new(), random);
    int n = snprintf(ret_file, CERTIFICATE_FILE_NAME, "%s.%s.pem", cluster_id, random);
    if (n < 0 || n >= CERTIFICATE_FILE_NAME) return FAIL(INVALID);
    TRY(folder_open(data_dir, &dir));
    status result = write_in(dir, ret_file, key, chain);
    close(dir);
    return result;
}

status certificate_https_write(const char *data_dir, struct bytes chain, struct bytes key)
{
    int dir;
    TRY(folder_open(data_dir, &dir));
    status result = write_in(dir, "https.pem", key, chain);
    close(dir);
    return result;
}

status certificate_file_read(const char *data_dir, const char *file, struct buf *ret_chain,
                             struct buf *ret_key)
{
    int dir;
    TRY(folder_open(data_dir, &dir));
    status result = read_in(dir, file, ret_key);
    close(dir);
    TRY(result);
    uint8_t *chain = ret_key->len ? memmem(ret_key->data, ret_key->len, CHAIN_BEGINS,
                                           sizeof CHAIN_BEGINS - 1) : NULL;
    if (!chain) return FAIL(CORRUPT);
    size_t key_len = (size_t)(chain - ret_key->data);
    buf_put(ret_chain, chain, ret_key->len - key_len);
    ret_key->len = key_len;
    return buf_check(ret_chain);
}

void certificate_files_remove(const char *data_dir, const char *cluster_id, const char *but)
{
    int fd;
    size_t n = strlen(cluster_id);
    if (failed(folder_open(data_dir, &fd))) return;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (strncmp(e->d_name, cluster_id, n) == 0 && e->d_name[n] == '.' &&
            (!but || strcmp(e->d_name, but) != 0))
            unlinkat(fd, e->d_name, 0);
    closedir(dir);
}
