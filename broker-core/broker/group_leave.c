/* group_leave.c - members that go by their own wish, or are removed by an administrator who names
 * their instance id (LeaveGroup v3+). Loop thread. */
#include "broker/consumer.h"

static status leave_one(struct group *g, const struct member_key *key)
{
    struct member *m = NULL;
    if (key->member_id.len == 0) {
        m = group_static_member(g, key->instance_id);
        if (m == NULL) return FAIL(UNKNOWN_MEMBER_ID);
    } else {
        struct pending_member *p = group_pending(g, key->member_id);
        if (p != NULL) {
            if (!str_is_null(key->instance_id)) return FAIL(UNKNOWN_MEMBER_ID);
            group_remove_pending(p);
            return OK;
        }
        TRY(group_check_member(g, key->member_id, key->instance_id, &m));
    }
    group_remove_member(m, FAIL(UNKNOWN_MEMBER_ID));
    return OK;
}

status group_leave(struct group_coordinator *c, struct str group_id,
                   const struct member_key *members, int32_t count, status *ret_errors)
{
    if (group_id.len == 0) return FAIL(INVALID_GROUP_ID);
    struct group *g = group_find(c, group_id);
    if (g != NULL && g->consumer != NULL)
        return consumer_classic_leave(g, members, count, ret_errors);
    bool gone = false;
    for (int32_t i = 0; i < count; i++) {
        size_t before = g ? HASH_COUNT(g->members) : 0;
        ret_errors[i] = g ? leave_one(g, &members[i]) : FAIL(UNKNOWN_MEMBER_ID);
        gone = gone || (g && HASH_COUNT(g->members) < before);
    }
    if (g == NULL) return OK;
    if (gone)
        group_members_left(g);
    else
        group_maybe_complete_join(g); /* it may have waited for a member to be */
    return OK;
}
