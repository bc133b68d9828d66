leat_test(client LINK client)
