/* seal.c - a nonce of 12 random bytes, a tag of 16, then as many bytes as the secret has. Any thread.
 */
#include "identity/seal.h"

#include "base/mem.h"
#include "base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>

enum { KEY_BYTES = 32, NONCE = 12, TAG = 16, SECRET_MAX = 8192 };

struct seal {
    uint8_t key[KEY_BYTES];
};

static status sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return status_from_errno(errno);
    int failed_with = fsync(fd) != 0 ? errno : 0;
    close(fd);
    return failed_with ? status_from_errno(failed_with) : OK;
}

/* Beside it first: a kill leaves no half of a key. */
static status make_key(const char *dir, const char *path, uint8_t key[KEY_BYTES])
{
    char beside[540];
    snprintf(beside, sizeof beside, "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return status_from_errno(errno);
    random_bytes(key, KEY_BYTES);
    bool written = write(fd, key, KEY_BYTES) == KEY_BYTES && fsync(fd) == 0;
    int failed_with = written ? 0 : errno ? errno : EIO;
    close(fd);
    if (written && rename(beside, path) != 0) failed_with = errno;
    return failed_with ? status_from_errno(failed_with) : sync_folder(dir);
}

static status read_key(const char *path, uint8_t key[KEY_BYTES])
{
    uint8_t more;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return status_from_errno(errno);
    bool whole = read(fd, key, KEY_BYTES) == KEY_BYTES && read(fd, &more, 1) == 0;
    close(fd);
    return whole ? OK : FAIL(CORRUPT);
}

status seal_open(const char *data_dir, struct seal **ret_seal)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/seal.key", data_dir);
    if (n < 0 || (size_t)n >= sizeof path) return FAIL(INVALID);
    struct seal *seal = mem_zalloc(sizeof *seal);
    if (!seal) return FAIL(NO_MEMORY);
    status result = read_key(path, seal->key);
    if (result.code == E_NOT_FOUND) result = make_key(data_dir, path, seal->key);
    if (failed(result)) seal_close(seal);
    else *ret_seal = seal;
    return result;
}

void seal_close(struct seal *seal)
{
    if (seal) explicit_bzero(seal, sizeof *seal);
    mem_free(seal);
}

status seal_put(const struct seal *seal, struct str of, struct str secret, struct buf *out)
{
    int n = 0;
    if (!seal) return FAIL(CORRUPT);
    if (secret.len > SECRET_MAX) return FAIL(INVALID);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t *at = buf_extend(out, NONCE + TAG + secret.len);
    if (at) random_bytes(at, NONCE);
    bool fine = c && at && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, seal->key, at) == 1 &&
                EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)of.data, (int)of.len) == 1 &&
                EVP_EncryptUpdate(c, at + NONCE + TAG, &n, (const uint8_t *)secret.data,
                                  (int)secret.len) == 1 &&
                EVP_EncryptFinal_ex(c, at + NONCE + TAG + n, &n) == 1 &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, at + NONCE) == 1;
    EVP_CIPHER_CTX_free(c);
    return fine ? OK : FAIL(NO_MEMORY);
}

status seal_get(const struct seal *seal, struct str of, struct bytes sealed, struct buf *out)
{
    int n = 0;
    uint8_t tag[TAG];
    if (!seal || sealed.len < NONCE + TAG || sealed.len > NONCE + TAG + SECRET_MAX)
        return FAIL(CORRUPT);
    size_t len = sealed.len - NONCE - TAG, before = out->len;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t *at = buf_extend(out, len + 1); /* one more: never nothing */
    if (!c || !at) {
        EVP_CIPHER_CTX_free(c);
        return FAIL(NO_MEMORY);
    }
    memcpy(tag, sealed.data + NONCE, TAG);
    bool fine = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, seal->key, sealed.data) == 1 &&
                EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)of.data, (int)of.len) == 1 &&
                EVP_DecryptUpdate(c, at, &n, sealed.data + NONCE + TAG, (int)len) == 1 &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
                EVP_DecryptFinal_ex(c, at + n, &n) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!fine) explicit_bzero(at, len);
    out->len = before + (fine ? len : 0);
    return fine ? OK : FAIL(CORRUPT);
}
