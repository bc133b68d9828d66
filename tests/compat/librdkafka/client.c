/* librdkafka as a client program, from C; the commands are those of README.md. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define ROUND 20 /* records of a stream that are on their way at a time */

static char problem[512];

/* Ends the program with an error line. */
static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
	va_list arg;

	printf("error ");
	va_start(arg, format);
	vprintf(format, arg);
	va_end(arg);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list arg;

	va_start(arg, format);
	vprintf(format, arg);
	va_end(arg);
	printf("\n");
	fflush(stdout);
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* Whether the word stop, or the end, is on standard input. */
static bool stopped(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };

	return poll(&in, 1, 0) > 0;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	if (rd_kafka_conf_set(conf, name, value, problem, sizeof problem) != RD_KAFKA_CONF_OK)
		die("%s=%s: %s", name, value, problem);
}

static rd_kafka_conf_t *config(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	set(conf, "bootstrap.servers", env("COMPAT_BOOTSTRAP"));
	set(conf, "security.protocol", *env("COMPAT_CA") ? "SASL_SSL" : "SASL_PLAINTEXT");
	set(conf, "sasl.mechanism", env("COMPAT_MECHANISM"));
	set(conf, "sasl.username", env("COMPAT_USER"));
	set(conf, "sasl.password", env("COMPAT_PASSWORD"));
	set(conf, "reconnect.backoff.max.ms", "500");
	set(conf, "topic.metadata.refresh.interval.ms", "1000");
	set(conf, "log_level", "3");
	if (*env("COMPAT_CA"))
		set(conf, "ssl.ca.location", env("COMPAT_CA"));
	return conf;
}

static rd_kafka_t *start(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	rd_kafka_t *rk = rd_kafka_new(type, conf, problem, sizeof problem);

	if (!rk)
		die("%s", problem);
	return rk;
}

/* Admin: the event that answers the request that was just put in. */
static rd_kafka_event_t *answer(rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);

	if (!event)
		die("no answer to an admin request");
	if (rd_kafka_event_error(event))
		die("%s", rd_kafka_event_error_string(event));
	return event;
}

static void check_topic(const rd_kafka_topic_result_t **result, size_t count)
{
	if (count != 1 || rd_kafka_topic_result_error(result[0]))
		die("%s", count ? rd_kafka_err2name(rd_kafka_topic_result_error(result[0])) : "no result");
}

/* The number of partitions of a topic, 0 when there is no such topic. */
static int partitions_of(rd_kafka_t *rk, const char *name)
{
	const struct rd_kafka_metadata *seen = NULL;
	int count = 0;

	rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 1, NULL, &seen, 20000);
	if (err)
		die("metadata: %s", rd_kafka_err2name(err));
	for (int i = 0; i < seen->topic_cnt; i++)
		if (!strcmp(seen->topics[i].topic, name))
			count = seen->topics[i].partition_cnt;
	rd_kafka_metadata_destroy(seen);
	return count;
}

static void run_topics(char **a)
{
	rd_kafka_t *rk = start(RD_KAFKA_PRODUCER, config());
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	size_t count;
	int partitions = atoi(a[1]);

	rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(a[0], partitions - 1, 1, problem, sizeof problem);
	rd_kafka_CreateTopics(rk, &made, 1, NULL, queue);
	event = answer(queue);
	results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
	check_topic(results, count);
	rd_kafka_event_destroy(event);

	rd_kafka_NewPartitions_t *more =
		rd_kafka_NewPartitions_new(a[0], (size_t)partitions, problem, sizeof problem);
	rd_kafka_CreatePartitions(rk, &more, 1, NULL, queue);
	event = answer(queue);
	results = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &count);
	check_topic(results, count);
	rd_kafka_event_destroy(event);
	if (partitions_of(rk, a[0]) != partitions)
		die("%d partitions", partitions_of(rk, a[0]));

	rd_kafka_DeleteTopic_t *gone = rd_kafka_DeleteTopic_new(a[0]);
	rd_kafka_DeleteTopics(rk, &gone, 1, NULL, queue);
	event = answer(queue);
	results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
	check_topic(results, count);
	rd_kafka_event_destroy(event);
	if (partitions_of(rk, a[0]))
		die("the topic is still listed");

	rd_kafka_NewTopic_destroy(made);
	rd_kafka_NewPartitions_destroy(more);
	rd_kafka_DeleteTopic_destroy(gone);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
	say("ok");
}

/* What became of each record of the round on its way: its opaque points into this. */
enum { WAITING, STORED, REFUSED };
static int state[1000];

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *arg)
{
	int *to = message->_private;

	(void)rk;
	(void)arg;
	*to = message->err ? REFUSED : STORED;
	if (message->err)
		snprintf(problem, sizeof problem, "%s", rd_kafka_err2name(message->err));
}

/* Hands records first + i over for which state[i] is not STORED, and waits; returns how many were refused. */
static int send_round(rd_kafka_t *rk, const char *topic, int partitions, int first, int count)
{
	int refused = 0;

	for (int i = 0; i < count; i++) {
		char text[16];
		int len = snprintf(text, sizeof text, "%d", first + i);

		if (state[i] == STORED)
			continue;
		rd_kafka_resp_err_t err = rd_kafka_producev(
			rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION((first + i) % partitions),
			RD_KAFKA_V_KEY(text, (size_t)len), RD_KAFKA_V_VALUE(text, (size_t)len),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(&state[i]), RD_KAFKA_V_END);
		if (err) {
			state[i] = REFUSED;
			snprintf(problem, sizeof problem, "%s", rd_kafka_err2name(err));
		}
	}
	if (rd_kafka_flush(rk, 60000))
		die("flush: a record was not answered");
	for (int i = 0; i < count; i++)
		refused += state[i] != STORED;
	return refused;
}

static rd_kafka_t *producer(const char *codec, bool idempotent, const char *linger, const char *transactional)
{
	rd_kafka_conf_t *conf = config();

	if (transactional)
		set(conf, "transactional.id", transactional);
	set(conf, "acks", "all");
	set(conf, "compression.type", codec);
	set(conf, "enable.idempotence", idempotent ? "true" : "false");
	set(conf, "linger.ms", linger);
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	return start(RD_KAFKA_PRODUCER, conf);
}

static void run_send(char **a)
{
	rd_kafka_t *rk = producer(a[4], false, "5", NULL);

	if (atoi(a[3]) > 1000)
		die("too many");
	if (send_round(rk, a[0], atoi(a[1]), atoi(a[2]), atoi(a[3])))
		die("refused: %s", problem);
	rd_kafka_destroy(rk);
	say("ok");
}

/* Rounds of a few records, numbered on; a plain stream sends again what was refused, as an application
 * does. */
static void run_stream(char **a)
{
	bool idempotent = !strcmp(a[2], "idempotent");
	rd_kafka_t *rk = producer("none", idempotent, "0", NULL);
	int sent = 0;

	while (!stopped()) {
		memset(state, 0, sizeof state);
		while (send_round(rk, a[0], atoi(a[1]), sent, ROUND))
			if (idempotent)
				die("refused: %s", problem);
		sent += ROUND;
		say("acked %d", sent);
		poll(NULL, 0, 5);
	}
	rd_kafka_destroy(rk);
	say("ok %d", sent);
}

static void transaction_step(const char *what, rd_kafka_error_t *error)
{
	if (error)
		die("%s: %s", what, rd_kafka_error_string(error));
}

static void run_transaction(char **a)
{
	rd_kafka_t *rk = producer("none", true, "0", a[2]);

	transaction_step("init", rd_kafka_init_transactions(rk, 30000));
	transaction_step("begin", rd_kafka_begin_transaction(rk));
	if (send_round(rk, a[0], atoi(a[1]), atoi(a[3]), atoi(a[4])))
		die("refused: %s", problem);
	if (!strcmp(a[5], "commit"))
		transaction_step("commit", rd_kafka_commit_transaction(rk, 30000));
	else
		transaction_step("abort", rd_kafka_abort_transaction(rk, 30000));
	rd_kafka_destroy(rk);
	say("ok");
}

static void say_assigned(rd_kafka_t *rk)
{
	static char last[256] = "?";
	char text[256] = "";
	rd_kafka_topic_partition_list_t *all = NULL;

	if (rd_kafka_assignment(rk, &all))
		return;
	rd_kafka_topic_partition_list_sort(all, NULL, NULL);
	for (int i = 0; i < all->cnt; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? "," : "",
		         all->elems[i].partition);
	rd_kafka_topic_partition_list_destroy(all);
	if (strcmp(text, last))
		say("assigned %s", *text ? text : "-");
	memcpy(last, text, sizeof last);
}

static void run_group(char **a)
{
	rd_kafka_conf_t *conf = config();

	set(conf, "group.id", a[1]);
	set(conf, "auto.offset.reset", "earliest");
	set(conf, "enable.auto.commit", "false");
	set(conf, "session.timeout.ms", "6000");
	set(conf, "heartbeat.interval.ms", "500");
	rd_kafka_t *rk = start(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(topics, a[0], RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t err = rd_kafka_subscribe(rk, topics);
	if (err)
		die("subscribe: %s", rd_kafka_err2name(err));
	while (!stopped()) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 50);

		if (m && !m->err)
			say("record %d %lld %.*s", m->partition, (long long)m->offset, (int)m->len,
			    (const char *)m->payload);
		if (m)
			rd_kafka_message_destroy(m);
		say_assigned(rk);
	}
	err = rd_kafka_commit(rk, NULL, 0);
	if (err && err != RD_KAFKA_RESP_ERR__NO_OFFSET)
		die("commit: %s", rd_kafka_err2name(err));
	rd_kafka_consumer_close(rk);
	rd_kafka_topic_partition_list_destroy(topics);
	rd_kafka_destroy(rk);
	say("ok");
}

/* The only way of librdkafka 2.0 to set a config: AlterConfigs, which replaces all of the topic. */
static void run_configs(char **a)
{
	rd_kafka_t *rk = start(RD_KAFKA_PRODUCER, config());
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_ConfigResource_t *topic = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, a[0]);
	size_t count;

	rd_kafka_ConfigResource_set_config(topic, "retention.ms", "3600000");
	rd_kafka_AlterConfigs(rk, &topic, 1, NULL, queue);
	rd_kafka_event_t *event = answer(queue);
	const rd_kafka_ConfigResource_t **seen =
		rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count);
	if (rd_kafka_ConfigResource_error(seen[0]))
		die("AlterConfigs: %s", rd_kafka_ConfigResource_error_string(seen[0]));
	rd_kafka_event_destroy(event);

	rd_kafka_DescribeConfigs(rk, &topic, 1, NULL, queue);
	event = answer(queue);
	seen = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
	const rd_kafka_ConfigEntry_t **entry = rd_kafka_ConfigResource_configs(seen[0], &count);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(rd_kafka_ConfigEntry_name(entry[i]), "retention.ms"))
			say("value %s", rd_kafka_ConfigEntry_value(entry[i]));
	rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy(topic);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
	say("ok");
}

/* Lists the group, describes it, adds its offsets up, and deletes it. */
static void run_groups(char **a)
{
	rd_kafka_t *rk = start(RD_KAFKA_PRODUCER, config());
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	const char *name = a[0];
	size_t count;
	long long sum = 0;
	bool listed = false;

	rd_kafka_ListConsumerGroups(rk, NULL, queue);
	rd_kafka_event_t *event = answer(queue);
	const rd_kafka_ConsumerGroupListing_t **all = rd_kafka_ListConsumerGroups_result_valid(
		rd_kafka_event_ListConsumerGroups_result(event), &count);
	for (size_t i = 0; i < count; i++)
		listed |= !strcmp(rd_kafka_ConsumerGroupListing_group_id(all[i]), name);
	if (!listed)
		die("the group is not listed");
	rd_kafka_event_destroy(event);

	rd_kafka_DescribeConsumerGroups(rk, &name, 1, NULL, queue);
	event = answer(queue);
	const rd_kafka_ConsumerGroupDescription_t **seen = rd_kafka_DescribeConsumerGroups_result_groups(
		rd_kafka_event_DescribeConsumerGroups_result(event), &count);
	say("state %s", rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(seen[0])));
	rd_kafka_event_destroy(event);

	rd_kafka_ListConsumerGroupOffsets_t *list = rd_kafka_ListConsumerGroupOffsets_new(name, NULL);
	rd_kafka_ListConsumerGroupOffsets(rk, &list, 1, NULL, queue);
	event = answer(queue);
	const rd_kafka_group_result_t **results = rd_kafka_ListConsumerGroupOffsets_result_groups(
		rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
	const rd_kafka_topic_partition_list_t *offsets = rd_kafka_group_result_partitions(results[0]);
	for (int i = 0; i < offsets->cnt; i++)
		sum += offsets->elems[i].offset;
	say("offsets %lld", sum);
	rd_kafka_event_destroy(event);
	rd_kafka_ListConsumerGroupOffsets_destroy(list);

	rd_kafka_DeleteGroup_t *gone = rd_kafka_DeleteGroup_new(name);
	rd_kafka_DeleteGroups(rk, &gone, 1, NULL, queue);
	event = answer(queue);
	results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count);
	if (rd_kafka_group_result_error(results[0]))
		die("DeleteGroups: %s", rd_kafka_error_name(rd_kafka_group_result_error(results[0])));
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteGroup_destroy(gone);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
	say("ok");
}

static void run_delete_records(char **a)
{
	rd_kafka_t *rk = start(RD_KAFKA_PRODUCER, config());
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_topic_partition_list_t *to = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(to, a[0], 0)->offset = atoi(a[1]);
	rd_kafka_DeleteRecords_t *before = rd_kafka_DeleteRecords_new(to);
	rd_kafka_DeleteRecords(rk, &before, 1, NULL, queue);
	rd_kafka_event_t *event = answer(queue);
	const rd_kafka_topic_partition_list_t *done =
		rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
	if (done->elems[0].err)
		die("DeleteRecords: %s", rd_kafka_err2name(done->elems[0].err));
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteRecords_destroy(before);
	rd_kafka_topic_partition_list_destroy(to);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
	say("ok");
}

static void run_acl(char **a)
{
	rd_kafka_t *rk = start(RD_KAFKA_PRODUCER, config());
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_event_t *event;
	bool create = !strcmp(a[0], "create");
	size_t count;

	rd_kafka_AclBinding_t *one = rd_kafka_AclBinding_new(
		RD_KAFKA_RESOURCE_TOPIC, a[1], RD_KAFKA_RESOURCE_PATTERN_LITERAL, a[2], "*",
		RD_KAFKA_ACL_OPERATION_WRITE, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, problem, sizeof problem);
	rd_kafka_AclBinding_t *like = rd_kafka_AclBindingFilter_new(
		RD_KAFKA_RESOURCE_TOPIC, a[1], RD_KAFKA_RESOURCE_PATTERN_LITERAL, a[2], "*",
		RD_KAFKA_ACL_OPERATION_WRITE, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, problem, sizeof problem);
	if (create) {
		rd_kafka_CreateAcls(rk, &one, 1, NULL, queue);
		event = answer(queue);
		const rd_kafka_acl_result_t **made =
			rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event), &count);
		if (rd_kafka_acl_result_error(made[0]))
			die("CreateAcls: %s", rd_kafka_error_string(rd_kafka_acl_result_error(made[0])));
	} else {
		rd_kafka_DeleteAcls(rk, &like, 1, NULL, queue);
		event = answer(queue);
		const rd_kafka_DeleteAcls_result_response_t **gone =
			rd_kafka_DeleteAcls_result_responses(rd_kafka_event_DeleteAcls_result(event), &count);
		rd_kafka_DeleteAcls_result_response_matching_acls(gone[0], &count);
		if (count != 1)
			die("%zu ACLs were deleted", count);
	}
	rd_kafka_event_destroy(event);
	rd_kafka_DescribeAcls(rk, like, NULL, queue);
	event = answer(queue);
	rd_kafka_DescribeAcls_result_acls(rd_kafka_event_DescribeAcls_result(event), &count);
	if (count != create)
		die("%zu ACLs are described", count);
	rd_kafka_event_destroy(event);
	rd_kafka_AclBinding_destroy(one);
	rd_kafka_AclBinding_destroy(like);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
	say("ok");
}

static const struct {
	const char *name;
	int args;
	void (*run)(char **args);
} commands[] = {
	{ "topics", 2, run_topics },   { "send", 5, run_send },       { "stream", 3, run_stream },
	{ "group", 2, run_group },     { "configs", 1, run_configs }, { "groups", 2, run_groups },
	{ "acl", 3, run_acl },         { "delete-records", 2, run_delete_records },
	{ "transaction", 6, run_transaction },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (argc >= 2 + commands[i].args && !strcmp(argv[1], commands[i].name)) {
			commands[i].run(argv + 2);
			return 0;
		}
	die("unknown command");
}
