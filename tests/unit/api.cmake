leat_test(kafka_record LINK api)
leat_test(router LINK api)
leat_test(rate_limit LINK http)
