/* failpoint.h - places where a test ends leatd as kill -9 would: LEAT_FAILPOINT names one. Compiled into
 * Debug builds and with -DLEAT_FAILPOINTS=ON only; a release has none. Any thread. */
#pragma once

#ifdef LEAT_FAILPOINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void failpoint(const char *name)
{
    const char *wanted = getenv("LEAT_FAILPOINT");
    if (wanted && strcmp(wanted, name) == 0) kill(getpid(), SIGKILL);
}
#else
#define failpoint(name) ((void)0)
#endif
