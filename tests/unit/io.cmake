leat_test(loop LINK io)
leat_test(stream LINK io)
