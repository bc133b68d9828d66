package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	kafkarest "github.com/confluentinc/ccloud-sdk-go-v2/kafkarest/v3"
)

// What is left of the kafkarest module when a topic has records and a group has read some of them.
var restSteps = []step{
	{"the cluster, one partition and a topic's operations are shown", restShown},
	{"one config is set and read, beside those of all topics and those of a new one", restConfigs},
	{"the cluster's own configs are listed, and a change is refused by the plan", restClusterConfigs},
	{"several ACLs are made at once", restBatchAcls},
	{"a group without members has no consumers, and what is not there is not found", restGroup},
}

// refusedRest checks that a call of kafkarest was answered with a status and an error_code, and words in its message.
func refusedRest(err error, answer *http.Response, status, code int, words string) error {
	var body interface{ Body() []byte }
	var failure struct {
		Code    int `json:"error_code"`
		Message string
	}
	if err == nil || answer == nil || answer.StatusCode != status {
		return fmt.Errorf("expected %d, got %v", status, said(err))
	}
	if !errors.As(err, &body) || json.Unmarshal(body.Body(), &failure) != nil {
		return fmt.Errorf("the %d has no error that can be read", status)
	}
	if failure.Code != code || !strings.Contains(failure.Message, words) {
		return fmt.Errorf("the %d says %d %q, not %d with %q", status, failure.Code, failure.Message, code, words)
	}
	return nil
}

func restShown(l *life) error {
	cluster, _, err := l.rest.ClusterV3Api.GetKafkaCluster(l.data, l.cluster).Execute()
	if err != nil || cluster.ClusterId != l.cluster || !strings.HasSuffix(cluster.BrokerConfigs.Related, "/broker-configs") {
		return fmt.Errorf("cluster %+v: %w", cluster, said(err))
	}
	partition, _, err := l.rest.PartitionV3Api.GetKafkaPartition(l.data, l.cluster, topic, 2).Execute()
	if err != nil || partition.PartitionId != 2 || partition.Leader == nil {
		return fmt.Errorf("partition %+v: %w", partition, said(err))
	}
	_, answer, err := l.rest.PartitionV3Api.GetKafkaPartition(l.data, l.cluster, topic, 9).Execute()
	if err := refusedRest(err, answer, 404, 40402, "cannot be found"); err != nil {
		return err
	}
	one, _, err := l.rest.TopicV3Api.GetKafkaTopic(l.data, l.cluster, topic).IncludeAuthorizedOperations(true).Execute()
	if err != nil || !slices.Contains(one.GetAuthorizedOperations().Items, "ALTER_CONFIGS") {
		return fmt.Errorf("topic %+v: %w", one, said(err))
	}
	return nil
}

func restConfigs(l *life) error {
	var value kafkarest.NullableString
	value.Set(ref("120000"))
	api := l.rest.ConfigsV3Api
	if _, err := api.UpdateKafkaTopicConfig(l.data, l.cluster, topic, "segment.ms").
		UpdateConfigRequestData(kafkarest.UpdateConfigRequestData{Value: value}).Execute(); err != nil {
		return err
	}
	one, _, err := api.GetKafkaTopicConfig(l.data, l.cluster, topic, "segment.ms").Execute()
	if err != nil || one.GetValue() != "120000" || one.Source != "DYNAMIC_TOPIC_CONFIG" || one.IsDefault || len(one.Synonyms) != 2 {
		return fmt.Errorf("config %+v: %w", one, said(err))
	}
	_, answer, err := api.GetKafkaTopicConfig(l.data, l.cluster, topic, "no.such").Execute()
	if err := refusedRest(err, answer, 404, 404, "no.such"); err != nil {
		return err
	}
	all, _, err := api.ListKafkaAllTopicConfigs(l.data, l.cluster).Execute()
	if err != nil || !slices.ContainsFunc(all.Data, func(c kafkarest.TopicConfigData) bool {
		return c.TopicName == topic && c.Name == "segment.ms" && c.GetValue() == "120000"
	}) {
		return fmt.Errorf("%d configs of all topics: %w", len(all.Data), said(err))
	}
	fresh, _, err := api.ListKafkaDefaultTopicConfigs(l.data, l.cluster, topic+"-new").Execute()
	if err != nil || len(fresh.Data) == 0 || slices.ContainsFunc(fresh.Data, func(c kafkarest.TopicConfigData) bool { return !c.IsDefault }) {
		return fmt.Errorf("%d configs of a new topic: %w", len(fresh.Data), said(err))
	}
	return nil
}

func restClusterConfigs(l *life) error {
	var value kafkarest.NullableString
	value.Set(ref("12"))
	api := l.rest.ConfigsV3Api
	if list, _, err := api.ListKafkaClusterConfigs(l.control, l.cluster).Execute(); err != nil || len(list.Data) != 0 {
		return fmt.Errorf("configs %+v: %w", list.Data, said(err))
	}
	answer, err := api.UpdateKafkaClusterConfigs(l.control, l.cluster).AlterConfigBatchRequestData(kafkarest.AlterConfigBatchRequestData{
		Data: []kafkarest.AlterConfigBatchRequestDataData{{Name: "num.partitions", Value: value}}}).Execute()
	if err := refusedRest(err, answer, 400, 40002, "plan"); err != nil {
		return err
	}
	answer, err = api.UpdateKafkaClusterConfig(l.control, l.cluster, "no.such").
		UpdateConfigRequestData(kafkarest.UpdateConfigRequestData{Value: value}).Execute()
	return refusedRest(err, answer, 404, 404, "no.such")
}

func restBatchAcls(l *life) error {
	list := kafkarest.CreateAclRequestDataList{}
	for _, operation := range []string{"READ", "WRITE"} {
		list.Data = append(list.Data, kafkarest.CreateAclRequestData{ResourceType: "TOPIC", ResourceName: "batch", PatternType: "LITERAL",
			Principal: "User:" + l.account + "-batch", Host: "*", Operation: operation, Permission: "ALLOW"})
	}
	if answer, err := l.rest.ACLV3Api.BatchCreateKafkaAcls(l.control, l.cluster).CreateAclRequestDataList(list).Execute(); err != nil ||
		answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("made: %w", said(err))
	}
	gone, _, err := l.rest.ACLV3Api.DeleteKafkaAcls(l.control, l.cluster).ResourceType("TOPIC").ResourceName("batch").PatternType("LITERAL").
		Operation("ANY").Permission("ANY").Execute()
	if err == nil && len(gone.Data) != 2 {
		err = fmt.Errorf("%d deleted", len(gone.Data))
	}
	return err
}

func restGroup(l *life) error {
	api := l.rest.ConsumerGroupV3Api
	err := until("the member has left the group", func() (bool, error) {
		one, _, err := api.GetKafkaConsumerGroup(l.data, l.cluster, group).Execute()
		return err == nil && one.State == "EMPTY" && one.Type == "CLASSIC" && !one.IsSimple, err
	})
	if err != nil {
		return err
	}
	if list, _, err := api.ListKafkaConsumers(l.data, l.cluster, group).Execute(); err != nil || len(list.Data) != 0 {
		return fmt.Errorf("consumers %+v: %w", list.Data, said(err))
	}
	_, answer, err := api.GetKafkaConsumer(l.data, l.cluster, group, "nobody").Execute()
	if err := refusedRest(err, answer, 404, 404, "nobody"); err != nil {
		return err
	}
	_, answer, err = api.GetKafkaConsumerGroup(l.control, l.cluster, "none").Execute()
	return refusedRest(err, answer, 404, 404, "none")
}
