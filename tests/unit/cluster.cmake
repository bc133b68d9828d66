leat_test(image LINK cluster)
leat_test(image_file LINK cluster)
leat_test(topic_config LINK cluster)
leat_test(admin_topics LINK cluster)
