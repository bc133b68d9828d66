leat_test(router LINK api)
