leat_test(db LINK store)
leat_test(identity LINK identity)
