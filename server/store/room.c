/* room.c - see room.h. */
#include "store/room.h"

#include "base/mem.h"
#include "io/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_MIN (512LL << 10) /* what a change may need: pages, their copies in the write-ahead log */

struct room {
    int dir_fd;
    struct fs *fs;
    struct reserve *reserve;
};

status room_new(const char *folder, struct room **ret_room)
{
    struct room *room = mem_zalloc(sizeof *room);
    if (!room) return FAIL(NO_MEMORY);
    room->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = room->dir_fd < 0 ? -1 : fcntl(room->dir_fd, F_DUPFD_CLOEXEC, 3);
    status s = fd < 0 ? status_from_errno(errno) : fs_posix_new(fd, &room->fs);
    if (is_ok(s)) s = reserve_new(room->fs, "reserve", &room->reserve);
    if (failed(s)) {
        room_free(room);
        return s;
    }
    *ret_room = room;
    return OK;
}

void room_free(struct room *room)
{
    if (!room) return;
    reserve_free(room->reserve);
    fs_posix_free(room->fs);
    if (room->dir_fd >= 0) close(room->dir_fd);
    mem_free(room);
}

void room_make(struct room *room)
{
    struct statvfs fs;
    if (!room || fstatvfs(room->dir_fd, &fs) != 0) return;
    int64_t left = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    if (left < ROOM_MIN) (void)reserve_give(room->reserve, (size_t)(ROOM_MIN - left));
}

struct reserve *room_reserve(struct room *room) { return room->reserve; }
