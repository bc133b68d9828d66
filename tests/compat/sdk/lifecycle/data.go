package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	quotas "github.com/confluentinc/ccloud-sdk-go-v2/kafka-quotas/v1"
	kafkarest "github.com/confluentinc/ccloud-sdk-go-v2/kafkarest/v3"
	metrics "github.com/confluentinc/ccloud-sdk-go-v2/metrics/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

const (
	topic   = "orders"
	group   = "billing"
	records = 10
	read    = 4 // of them, by the group
)

// The data plane of the cluster, with its key and with the cloud key.
var dataSteps = []step{
	{"ACLs are made, found by filter, and open the cluster to the account", acls},
	{"a topic is made with configs, by the cluster key", topicMade},
	{"a topic's configs and partitions are changed", topicChanged},
	{"records are produced, and a Kafka client reads them with the same key", produced},
	{"a group's lag is what it has not read", lag},
	{"a client quota is made, changed and listed", quota},
	{"service quotas tell the cluster's limits and their use", serviceQuotas},
	{"metrics are described, and a query by topic and minute is answered", measured},
}

// endSteps delete everything in the order in which tools do.
var endSteps = []step{
	{"the quota, the ACLs and the topic are deleted", dataDeleted},
	{"the keys and the account are deleted, and the key ends with them", accountDeleted},
	{"the cluster is deleted, then the environment is empty and goes", clusterDeleted},
}

// useKey makes the kafkarest client for the cluster's http_endpoint and its key.
func (l *life) useKey() {
	config := kafkarest.NewConfiguration()
	config.Servers[0].URL = l.cluster_.Spec.GetHttpEndpoint()
	l.rest = kafkarest.NewAPIClient(config)
	l.data = authenticated(context.Background(), l.key, l.keySecret)
}

func acls(l *life) error {
	principal := "User:" + l.account
	for _, a := range []struct{ kind, name, pattern, operation string }{
		{"TOPIC", topic, "PREFIXED", "ALL"}, {"GROUP", group, "LITERAL", "READ"}, {"GROUP", group, "LITERAL", "DESCRIBE"},
		{"CLUSTER", "kafka-cluster", "LITERAL", "DESCRIBE"}} {
		answer, err := l.rest.ACLV3Api.CreateKafkaAcls(l.control, l.cluster).CreateAclRequestData(kafkarest.CreateAclRequestData{
			ResourceType: kafkarest.AclResourceType(a.kind), ResourceName: a.name, PatternType: a.pattern, Principal: principal,
			Host: "*", Operation: a.operation, Permission: "ALLOW"}).Execute()
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusCreated {
			return fmt.Errorf("made: %d", answer.StatusCode)
		}
	}
	found, _, err := l.rest.ACLV3Api.GetKafkaAcls(l.control, l.cluster).Principal(principal).ResourceType("GROUP").Execute()
	if err != nil {
		return err
	}
	if len(found.Data) != 2 || found.Data[0].ResourceName != group || found.Data[0].Operation != "DESCRIBE" && found.Data[0].Operation != "READ" {
		return fmt.Errorf("found: %+v", found.Data)
	}
	return nil
}

func topicMade(l *life) error {
	var retention kafkarest.NullableString
	retention.Set(ref("3600000"))
	made, answer, err := l.rest.TopicV3Api.CreateKafkaTopic(l.data, l.cluster).CreateTopicRequestData(kafkarest.CreateTopicRequestData{
		TopicName: topic, PartitionsCount: ref(int32(2)),
		Configs: &[]kafkarest.CreateTopicRequestDataConfigs{{Name: "retention.ms", Value: retention}}}).Execute()
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated || made.TopicName != topic || made.PartitionsCount != 2 || made.Kind != "KafkaTopic" {
		return fmt.Errorf("made: %d %+v", answer.StatusCode, made)
	}
	one, _, err := l.rest.TopicV3Api.GetKafkaTopic(l.data, l.cluster, topic).Execute()
	if err == nil && one.Metadata.Self != made.Metadata.Self {
		err = fmt.Errorf("self %q", one.Metadata.Self)
	}
	return err
}

func topicChanged(l *life) error {
	var hour, compact kafkarest.NullableString
	hour.Set(ref("7200000"))
	compact.Set(ref("compact"))
	_, err := l.rest.ConfigsV3Api.UpdateKafkaTopicConfigBatch(l.data, l.cluster, topic).AlterConfigBatchRequestData(kafkarest.AlterConfigBatchRequestData{
		Data: []kafkarest.AlterConfigBatchRequestDataData{{Name: "retention.ms", Value: hour}, {Name: "cleanup.policy", Value: compact}}}).Execute()
	if err != nil {
		return err
	}
	list, _, err := l.rest.ConfigsV3Api.ListKafkaTopicConfigs(l.data, l.cluster, topic).Execute()
	if err != nil {
		return err
	}
	set := map[string]string{}
	for _, c := range list.Data {
		if c.Source == "DYNAMIC_TOPIC_CONFIG" {
			set[c.Name] = c.GetValue()
		}
	}
	if len(set) != 2 || set["retention.ms"] != "7200000" || set["cleanup.policy"] != "compact" {
		return fmt.Errorf("set: %v", set)
	}
	if _, err = l.rest.ConfigsV3Api.DeleteKafkaTopicConfig(l.data, l.cluster, topic, "cleanup.policy").Execute(); err != nil {
		return err
	}
	more, _, err := l.rest.TopicV3Api.UpdatePartitionCountKafkaTopic(l.data, l.cluster, topic).
		UpdatePartitionCountRequestData(kafkarest.UpdatePartitionCountRequestData{PartitionsCount: 3}).Execute()
	if err == nil && more.PartitionsCount != 3 {
		err = fmt.Errorf("%d partitions", more.PartitionsCount)
	}
	if err != nil {
		return err
	}
	partitions, _, err := l.rest.PartitionV3Api.ListKafkaPartitions(l.data, l.cluster, topic).Execute()
	if err == nil && len(partitions.Data) != 3 {
		err = fmt.Errorf("%d partitions are listed", len(partitions.Data))
	}
	return err
}

func produced(l *life) error {
	for i := 0; i < records; i++ {
		var partition kafkarest.NullableInt32
		var key, value kafkarest.NullableProduceRequestData
		partition.Set(ref(int32(0)))
		key.Set(&kafkarest.ProduceRequestData{Type: ref("STRING"), Data: fmt.Sprint("key ", i)})
		value.Set(&kafkarest.ProduceRequestData{Type: ref("JSON"), Data: map[string]any{"order": i}})
		said, _, err := l.rest.RecordsV3Api.ProduceRecord(l.data, l.cluster, topic).
			ProduceRequest(kafkarest.ProduceRequest{PartitionId: partition, Key: key, Value: value}).Execute()
		if err != nil {
			return err
		}
		if said.ErrorCode != 200 || said.GetPartitionId() != 0 || said.GetOffset() != int64(i) {
			return fmt.Errorf("record %d: %+v", i, said)
		}
	}
	return l.consume()
}

// consume reads all records as a member of the group, and commits behind the first of them.
func (l *life) consume() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	at := l.cluster_.Spec.GetKafkaBootstrapEndpoint()
	client, err := kgo.NewClient(kgo.SeedBrokers(at[strings.Index(at, "://")+3:]), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.SASL(plain.Auth{User: l.key, Pass: l.keySecret}.AsMechanism()))
	if err != nil {
		return err
	}
	defer client.Close()
	var seen []*kgo.Record
	for len(seen) < records {
		fetched := client.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			return err
		}
		seen = append(seen, fetched.Records()...)
	}
	for i, r := range seen {
		if string(r.Key) != fmt.Sprint("key ", i) || string(r.Value) != fmt.Sprintf(`{"order":%d}`, i) {
			return fmt.Errorf("record %d is %s: %s", i, r.Key, r.Value)
		}
	}
	return client.CommitRecords(ctx, seen[read-1])
}

func lag(l *life) error {
	summary, _, err := l.rest.ConsumerGroupV3Api.GetKafkaConsumerGroupLagSummary(l.data, l.cluster, group).Execute()
	if err != nil {
		return err
	}
	if summary.TotalLag != records-read || summary.MaxLag != records-read || summary.MaxLagTopicName != topic || summary.MaxLagPartitionId != 0 {
		return fmt.Errorf("summary %+v", summary)
	}
	one, _, err := l.rest.ConsumerGroupV3Api.GetKafkaConsumerLag(l.data, l.cluster, group, topic, 0).Execute()
	if err == nil && (one.CurrentOffset != read || one.LogEndOffset != records || one.Lag != records-read) {
		err = fmt.Errorf("lag %+v", one)
	}
	if err != nil {
		return err
	}
	list, _, err := l.rest.ConsumerGroupV3Api.ListKafkaConsumerLags(l.data, l.cluster, group).Execute()
	if err != nil {
		return err
	}
	if len(list.Data) == 0 || list.Data[0].Lag != records-read {
		return fmt.Errorf("lags %+v", list.Data)
	}
	groups, _, err := l.rest.ConsumerGroupV3Api.ListKafkaConsumerGroups(l.data, l.cluster).Execute()
	if err == nil && (len(groups.Data) != 1 || groups.Data[0].ConsumerGroupId != group) {
		err = fmt.Errorf("groups %+v", groups.Data)
	}
	return err
}

func quota(l *life) error {
	api := l.quotas.ClientQuotasKafkaQuotasV1Api
	made, answer, err := api.CreateKafkaQuotasV1ClientQuota(l.control).KafkaQuotasV1ClientQuota(quotas.KafkaQuotasV1ClientQuota{
		Spec: &quotas.KafkaQuotasV1ClientQuotaSpec{DisplayName: ref("orders"), Description: ref("of the SDK"),
			Throughput:  &quotas.KafkaQuotasV1Throughput{IngressByteRate: "1000000", EgressByteRate: "2000000"},
			Cluster:     &quotas.EnvScopedObjectReference{Id: l.cluster},
			Principals:  &[]quotas.GlobalObjectReference{{Id: l.account}},
			Environment: &quotas.GlobalObjectReference{Id: l.environment}}}).Execute()
	if err != nil {
		return err
	}
	l.quota = made.GetId()
	if answer.StatusCode != http.StatusAccepted || !strings.HasPrefix(l.quota, "cq-") {
		return fmt.Errorf("made: %d %s", answer.StatusCode, l.quota)
	}
	_, _, err = api.UpdateKafkaQuotasV1ClientQuota(l.control, l.quota).KafkaQuotasV1ClientQuotaUpdate(quotas.KafkaQuotasV1ClientQuotaUpdate{
		Spec: &quotas.KafkaQuotasV1ClientQuotaSpecUpdate{
			Throughput: &quotas.KafkaQuotasV1Throughput{IngressByteRate: "3000000", EgressByteRate: "4000000"}}}).Execute()
	if err != nil {
		return err
	}
	list, _, err := api.ListKafkaQuotasV1ClientQuotas(l.control).SpecCluster(l.cluster).Environment(l.environment).Execute()
	if err != nil {
		return err
	}
	if len(list.Data) != 1 || list.Data[0].Spec.Throughput.IngressByteRate != "3000000" || (*list.Data[0].Spec.Principals)[0].Id != l.account {
		return fmt.Errorf("listed: %+v", list.Data)
	}
	return nil
}

func serviceQuotas(l *life) error {
	api := l.limits.AppliedQuotasServiceQuotaV1Api
	scopes, _, err := l.limits.ScopesServiceQuotaV1Api.ListServiceQuotaV1Scopes(l.control).Execute()
	if err != nil || len(scopes.Data) != 2 {
		return fmt.Errorf("scopes %+v: %w", scopes.Data, said(err))
	}
	all, _, err := api.ListServiceQuotaV1AppliedQuotas(l.control).Scope("ORGANIZATION").PageSize(200).Execute()
	if err != nil || len(all.Data) < 3 {
		return fmt.Errorf("of the organization %+v: %w", all.Data, said(err))
	}
	one, _, err := api.GetServiceQuotaV1AppliedQuota(l.control, "kafka.max_partitions.per_cluster").KafkaCluster(l.cluster).Execute()
	if err == nil && (one.GetUsage() != 3 || one.GetAppliedLimit() < 3 || one.KafkaCluster.Id != l.cluster) {
		err = fmt.Errorf("partitions %+v", one)
	}
	return err
}

func measured(l *life) error {
	const metric = "io.confluent.kafka.server/received_records"
	api := l.figures.Version2Api
	described, _, err := api.V2MetricsDatasetDescriptorsMetricsGet(l.control, "cloud").PageSize(1000).Execute()
	if err != nil {
		return err
	}
	known := false
	for _, d := range described.Data {
		known = known || d.Name == metric
	}
	resources, _, err := api.V2MetricsDatasetDescriptorsResourcesGet(l.control, "cloud").Execute()
	if err != nil || !known || len(resources.Data) == 0 || resources.Data[0].Type != "kafka" {
		return fmt.Errorf("described: %v, resources %+v, %w", known, resources, said(err))
	}
	value := metrics.StringAsFieldFilterValue(&l.cluster)
	filter := metrics.FieldFilterAsFilter(&metrics.FieldFilter{Op: "EQ", Field: ref("resource.kafka.id"), Value: value})
	query := metrics.NewQueryRequest([]metrics.Aggregation{{Metric: metric}}, metrics.PT1_M, []string{"now-1h/now"})
	query.SetFilter(filter)
	query.SetGroupBy([]string{"metric.topic"})
	// An empty answer is an error of the SDK's own, since it fits both forms that it knows: the status tells.
	_, answer, err := api.V2MetricsDatasetQueryPost(l.control, "cloud").QueryRequest(*query).Execute()
	if answer == nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("query: %w", said(err))
	}
	return nil
}

func dataDeleted(l *life) error {
	if _, err := l.quotas.ClientQuotasKafkaQuotasV1Api.DeleteKafkaQuotasV1ClientQuota(l.control, l.quota).Execute(); err != nil {
		return err
	}
	if _, err := l.rest.TopicV3Api.DeleteKafkaTopic(l.data, l.cluster, topic).Execute(); err != nil {
		return err
	}
	if _, answer, err := l.rest.TopicV3Api.GetKafkaTopic(l.control, l.cluster, topic).Execute(); err == nil || answer == nil || answer.StatusCode != 404 {
		return fmt.Errorf("the topic after its end: %v", said(err))
	}
	gone, _, err := l.rest.ACLV3Api.DeleteKafkaAcls(l.control, l.cluster).ResourceType("ANY").PatternType("ANY").Operation("ANY").
		Permission("ANY").Principal("User:" + l.account).Execute()
	if err == nil && len(gone.Data) != 4 {
		err = fmt.Errorf("%d ACLs deleted", len(gone.Data))
	}
	return err
}

func accountDeleted(l *life) error {
	if _, err := l.keys.APIKeysIamV2Api.DeleteIamV2ApiKey(l.control, l.key).Execute(); err != nil {
		return err
	}
	if _, answer, err := l.rest.TopicV3Api.ListKafkaTopics(l.data, l.cluster).Execute(); err == nil || answer == nil || answer.StatusCode != 401 {
		return fmt.Errorf("the key after its end: %v", said(err))
	}
	if _, answer, err := l.keys.APIKeysIamV2Api.GetIamV2ApiKey(l.control, l.key).Execute(); err == nil || answer == nil || answer.StatusCode != 404 {
		return fmt.Errorf("the key's object after its end: %v", said(err))
	}
	if _, err := l.iam.ServiceAccountsIamV2Api.DeleteIamV2ServiceAccount(l.control, l.account).Execute(); err != nil {
		return err
	}
	_, answer, err := l.iam.ServiceAccountsIamV2Api.GetIamV2ServiceAccount(l.control, l.account).Execute()
	if err == nil || answer == nil || answer.StatusCode != 404 {
		return fmt.Errorf("the account after its end: %v", said(err))
	}
	return nil
}

func clusterDeleted(l *life) error {
	answer, err := l.cmk.ClustersCmkV2Api.DeleteCmkV2Cluster(l.control, l.cluster).Environment(l.environment).Execute()
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("deleted: %d", answer.StatusCode)
	}
	err = until("the clusters are gone", func() (bool, error) {
		list, _, err := l.cmk.ClustersCmkV2Api.ListCmkV2Clusters(l.control).Environment(l.environment).Execute()
		return err == nil && len(list.Data) == 0, err
	})
	if err != nil {
		return err
	}
	if _, answer, err = l.get(l.cluster); err == nil || answer == nil || answer.StatusCode != 404 {
		return fmt.Errorf("the cluster after its end: %v", said(err))
	}
	if _, err := l.org.EnvironmentsOrgV2Api.DeleteOrgV2Environment(l.control, l.environment).Execute(); err != nil {
		return err
	}
	_, answer, err = l.org.EnvironmentsOrgV2Api.GetOrgV2Environment(l.control, l.environment).Execute()
	if err == nil || answer == nil || answer.StatusCode != 404 {
		return fmt.Errorf("the environment after its end: %v", said(err))
	}
	return nil
}
