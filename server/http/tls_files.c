/* tls_files.c - certificate and key in GnuTLS's form, and their change. HTTP threads. */
#include "http/tls_files.h"

#include "base/bytes.h"
#include "base/log.h"
#include "base/mem.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define CHAIN_MAX 8
#define LOOK_EVERY_S 1
#define KEPT_S 120 /* an old pair: a handshake that began with it has ended, or was cut off, by then */

struct pair {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
    struct pair *next;   /* older ones */
    int64_t replaced_at; /* seconds, monotonic */
};
struct stamp { /* two of them alike: the file is the same */
    struct timespec changed;
    ino_t inode;
    off_t size;
};
struct tls_files {
    char *chain_path, *key_path;
    pthread_mutex_t lock;
    struct pair *pairs; /* the first is shown */
    struct stamp chain, key;
    int64_t looked_at;
};

static struct tls_files *shown;

static int64_t now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

static void pair_free(struct pair *pair)
{
    for (unsigned i = 0; i < pair->count; i++) gnutls_pcert_deinit(&pair->chain[i]);
    if (pair->key) gnutls_privkey_deinit(pair->key);
    mem_free(pair);
}

static bool stamp_of(const char *path, struct stamp *ret)
{
    struct stat st;
    if (stat(path, &st) != 0) return false;
    *ret = (struct stamp){ .changed = st.st_mtim, .inode = st.st_ino, .size = st.st_size };
    return true;
}

static bool same(const struct stamp *a, const struct stamp *b)
{
    return a->inode == b->inode && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_chain(const char *path, struct pair *pair)
{
    gnutls_datum_t text;
    int failed = gnutls_load_file(path, &text);
    if (failed < 0) return failed;
    pair->count = CHAIN_MAX;
    failed = gnutls_pcert_list_import_x509_raw(pair->chain, &pair->count, &text, GNUTLS_X509_FMT_PEM, 0);
    gnutls_free(text.data);
    if (failed < 0) pair->count = 0;
    return failed;
}

static int read_key(const char *path, struct pair *pair)
{
    gnutls_datum_t text;
    int failed = gnutls_load_file(path, &text);
    if (failed < 0) return failed;
    failed = gnutls_privkey_init(&pair->key);
    if (failed >= 0)
        failed = gnutls_privkey_import_x509_raw(pair->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(text.data, 0, text.size);
    gnutls_free(text.data);
    return failed;
}

/* Is the key that of the leaf? */
static bool fits(const struct pair *pair)
{
    uint8_t of_chain[64], of_key[64];
    size_t chain_len = sizeof of_chain, key_len = sizeof of_key;
    gnutls_pubkey_t public;
    if (gnutls_pubkey_init(&public) < 0) return false;
    bool fine = gnutls_pubkey_import_privkey(public, pair->key, 0, 0) >= 0 &&
                gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, of_key, &key_len) >= 0 &&
                gnutls_pubkey_get_key_id(pair->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_chain,
                                         &chain_len) >= 0 &&
                chain_len == key_len && memcmp(of_chain, of_key, key_len) == 0;
    gnutls_pubkey_deinit(public);
    return fine;
}

static status pair_read(const struct tls_files *files, struct why *why, struct pair **ret_pair)
{
    struct pair *pair = mem_zalloc(sizeof *pair);
    if (!pair) return FAIL(NO_MEMORY);
    int chain = read_chain(files->chain_path, pair), key = read_key(files->key_path, pair);
    if (chain >= 0 && key >= 0 && fits(pair)) {
        *ret_pair = pair;
        return OK;
    }
    if (chain < 0)
        why_set(why, "the certificate %s cannot be read: %s", files->chain_path, gnutls_strerror(chain));
    else if (key < 0)
        why_set(why, "the key %s cannot be read: %s", files->key_path, gnutls_strerror(key));
    else
        why_set(why, "%s is not the key of the certificate %s", files->key_path, files->chain_path);
    pair_free(pair);
    return FAIL(INVALID);
}

/* --- change ----------------------------------------------------------------------------------- */

static void forget_old(struct tls_files *files, int64_t now)
{
    for (struct pair **p = &files->pairs->next; *p;) {
        struct pair *old = *p;
        if (now - old->replaced_at < KEPT_S) {
            p = &old->next;
            continue;
        }
        *p = old->next;
        pair_free(old);
    }
}

/* Under the lock. */
static void look(struct tls_files *files, int64_t now)
{
    struct stamp chain, key;
    struct why why = { "" };
    struct pair *pair;
    if (now - files->looked_at < LOOK_EVERY_S) return;
    files->looked_at = now;
    forget_old(files, now);
    if (!stamp_of(files->chain_path, &chain) || !stamp_of(files->key_path, &key)) return;
    if (same(&chain, &files->chain) && same(&key, &files->key)) return;
    files->chain = chain; /* a pair that is no good is told once */
    files->key = key;
    if (failed(pair_read(files, &why, &pair))) {
        log_error("https: %s; the certificate before is shown on", why.text);
        return;
    }
    files->pairs->replaced_at = now;
    pair->next = files->pairs;
    files->pairs = pair;
    log_info("https: the certificate in %s is shown from now on", files->chain_path);
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *names, int name_count,
                    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_chain,
                    unsigned *ret_count, gnutls_privkey_t *ret_key)
{
    (void)session;
    (void)names;
    (void)name_count;
    (void)algorithms;
    (void)algorithm_count;
    pthread_mutex_lock(&shown->lock);
    look(shown, now_s());
    struct pair *pair = shown->pairs;
    pthread_mutex_unlock(&shown->lock);
    *ret_chain = pair->chain;
    *ret_count = pair->count;
    *ret_key = pair->key;
    return 0;
}

void *tls_files_callback(void) { return (void *)retrieve; }

/* --- life ------------------------------------------------------------------------------------- */

status tls_files_open(const char *chain_path, const char *key_path, struct why *why,
                      struct tls_files **ret_files)
{
    struct tls_files *files = mem_must(mem_zalloc(sizeof *files));
    files->chain_path = mem_must(mem_strdup(chain_path));
    files->key_path = mem_must(mem_strdup(key_path));
    pthread_mutex_init(&files->lock, NULL);
    (void)stamp_of(chain_path, &files->chain);
    (void)stamp_of(key_path, &files->key);
    status result = pair_read(files, why, &files->pairs);
    if (failed(result)) {
        tls_files_close(files);
        return result;
    }
    shown = *ret_files = files;
    return OK;
}

void tls_files_close(struct tls_files *files)
{
    if (!files) return;
    if (shown == files) shown = NULL;
    while (files->pairs) {
        struct pair *next = files->pairs->next;
        pair_free(files->pairs);
        files->pairs = next;
    }
    pthread_mutex_destroy(&files->lock);
    mem_free(files->chain_path);
    mem_free(files->key_path);
    mem_free(files);
}
