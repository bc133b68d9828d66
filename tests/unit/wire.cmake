leat_test(codec LINK wire)
leat_test(header LINK wire)
leat_test(batch LINK wire)
leat_test(compress LINK wire)
