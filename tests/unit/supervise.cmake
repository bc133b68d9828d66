leat_test(supervisor LINK supervise)
