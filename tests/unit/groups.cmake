leat_test(acl LINK cluster)
leat_test(quota LINK broker)
leat_test(scram LINK broker)
leat_test(groups LINK broker)
