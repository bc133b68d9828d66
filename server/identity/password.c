/* password.c - scrypt and its bounded queue. password_check on the domain thread; the hashing itself
 * on the background lane, which is one thread, hence one hash at a time. */
#include "identity/password.h"

#include "base/mem.h"
#include "base/uuid.h"

#include <openssl/evp.h>

#define SCRYPT_N (1u << 17)
#define SCRYPT_MEMORY (160u << 20)

struct check {
    struct job job;
    struct passwords *passwords;
    char password[PASSWORD_MAX];
    size_t len;
    bool known;
    uint8_t salt[PASSWORD_SALT], hash[PASSWORD_HASH];
    status result;
    password_done done;
    password_made made;
    void *arg;
};

status password_hash(struct str password, const uint8_t salt[PASSWORD_SALT],
                     uint8_t ret_hash[PASSWORD_HASH])
{
    if (password.len == 0 || password.len > PASSWORD_MAX) return FAIL(INVALID);
    if (!EVP_PBE_scrypt(password.data, password.len, salt, PASSWORD_SALT, SCRYPT_N, 8, 1,
                        SCRYPT_MEMORY, ret_hash, PASSWORD_HASH))
        return FAIL(NO_MEMORY);
    return OK;
}

static void check_work(struct job *job)
{
    struct check *check = CONTAINER_OF(job, struct check, job);
    uint8_t got[PASSWORD_HASH];
    check->result = password_hash((struct str){ check->password, check->len }, check->salt, got);
    if (is_ok(check->result)) {
        bool same = bytes_eq_secret(got, check->hash, PASSWORD_HASH);
        if (!same || !check->known) check->result = FAIL(UNAUTHENTICATED);
    }
    explicit_bzero(check->password, sizeof check->password);
}

static void check_done(struct job *job)
{
    struct check *check = CONTAINER_OF(job, struct check, job);
    check->passwords->waiting--;
    password_done done = check->done;
    void *arg = check->arg;
    status result = check->result;
    mem_free(check);
    done(arg, result);
}

status password_check(struct passwords *passwords, struct str password, struct bytes salt,
                      struct bytes hash, password_done done, void *arg)
{
    if (password.len == 0 || password.len > PASSWORD_MAX) return FAIL(UNAUTHENTICATED);
    if (passwords->waiting >= PASSWORD_WAITING) return FAIL(BUSY);
    struct check *check = mem_zalloc(sizeof *check);
    if (!check) return FAIL(NO_MEMORY);
    check->job.work = check_work;
    check->job.done = check_done;
    check->passwords = passwords;
    memcpy(check->password, password.data, password.len);
    check->len = password.len;
    check->known = salt.len == PASSWORD_SALT && hash.len == PASSWORD_HASH;
    if (check->known) {
        memcpy(check->salt, salt.data, PASSWORD_SALT);
        memcpy(check->hash, hash.data, PASSWORD_HASH);
    }
    check->done = done;
    check->arg = arg;
    status result = loop_submit(passwords->loop, &check->job, LANE_BACKGROUND);
    if (failed(result)) {
        mem_free(check);
        return result;
    }
    passwords->waiting++;
    return OK;
}

/* --- making ----------------------------------------------------------------------------------- */

static void make_work(struct job *job)
{
    struct check *check = CONTAINER_OF(job, struct check, job);
    check->result = password_hash((struct str){ check->password, check->len }, check->salt, check->hash);
    explicit_bzero(check->password, sizeof check->password);
}

static void make_done(struct job *job)
{
    struct check *check = CONTAINER_OF(job, struct check, job);
    check->passwords->waiting--;
    check->made(check->arg, check->result, check->salt, check->hash);
    mem_free(check);
}

status password_make(struct passwords *passwords, struct str password, password_made done, void *arg)
{
    if (password.len == 0 || password.len > PASSWORD_MAX) return FAIL(INVALID);
    if (passwords->waiting >= PASSWORD_WAITING) return FAIL(BUSY);
    struct check *check = mem_zalloc(sizeof *check);
    if (!check) return FAIL(NO_MEMORY);
    check->job.work = make_work;
    check->job.done = make_done;
    check->passwords = passwords;
    memcpy(check->password, password.data, password.len);
    check->len = password.len;
    random_bytes(check->salt, sizeof check->salt);
    check->made = done;
    check->arg = arg;
    status result = loop_submit(passwords->loop, &check->job, LANE_BACKGROUND);
    if (failed(result)) {
        mem_free(check);
        return result;
    }
    passwords->waiting++;
    return OK;
}
