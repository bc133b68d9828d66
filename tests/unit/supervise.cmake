leat_test(cgroups LINK supervise)
leat_test(supervisor LINK supervise)
