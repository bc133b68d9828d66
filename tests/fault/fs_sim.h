/* fs_sim.h - an in-memory disk behind the file-system seam, with the fault model of the commit
 * journal: between syncs any subset of 512-byte sectors, file sizes and folder entries may reach the
 * disk, in any order; a kill keeps the page cache; a failed sync may leave pages clean in the cache
 * with other bytes on disk. Everything random comes from the seed. */
#pragma once
#include "io/fs.h"

struct sim;

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim);
struct fs *sim_fs(struct sim *sim);

/* splitmix64 of the seed; for the test's own choices, too. */
uint64_t sim_random(struct sim *sim);
uint32_t sim_below(struct sim *sim, uint32_t n);      /* 0 … n-1 */
bool sim_chance(struct sim *sim, uint32_t percent);

/* The n-th changing call from now (1 = the next) and every call after it fails: the process is dead
 * and knows it not yet. 0: never. */
void sim_die_at(struct sim *sim, int64_t n);
bool sim_dead(const struct sim *sim);
/* What follows death: power = the cache is lost but for a random part; otherwise a kill. Brings the
 * disk back to life. No file may be open. */
void sim_crash(struct sim *sim, bool power);
void sim_set_page(struct sim *sim, uint32_t sectors); /* how many reach the disk together */

enum sim_call { SIM_OPEN, SIM_PWRITE, SIM_TRUNCATE, SIM_DATASYNC, SIM_SYNC_DIR, SIM_SYNC_ALL, SIM_RENAME,
                SIM_UNLINK, SIM_MKDIR, SIM_ALLOCATE,
                SIM_PREAD, SIM_LOOK, /* change nothing; SIM_LOOK: size, list, opening what is there */
                SIM_CALLS };
/* The n-th call of this kind from now fails with `code`; a pwrite leaves a random prefix. */
void sim_fail_at(struct sim *sim, enum sim_call call, int64_t n, enum err code);
bool sim_failed(const struct sim *sim);               /* did it happen */
int64_t sim_count(const struct sim *sim, enum sim_call call);
int64_t sim_changes(const struct sim *sim);           /* changing calls so far */
/* From now on, in percent, a sync fails with EIO or a pwrite with ENOSPC. */
void sim_set_flaky(struct sim *sim, uint32_t sync_percent, uint32_t full_percent);
/* So many bytes fit on the disk, counted by the sizes of files; a write that would need more finds no
 * space. < 0: any number. */
void sim_set_room(struct sim *sim, int64_t bytes);
/* The kernel's own write-back of some file fails; its next sync says so. */
void sim_writeback_fails(struct sim *sim);
