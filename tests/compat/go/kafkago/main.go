// kafka-go as a client program; the commands are those of README.md.
package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/scram"

	"leat/tests/compat/line"
)

var background = context.Background()

func mechanism() sasl.Mechanism {
	m, err := scram.Mechanism(scram.SHA512, line.Env("USER"), line.Env("PASSWORD"))
	if err != nil {
		panic(err)
	}
	return m
}

func transport() *kafka.Transport {
	return &kafka.Transport{SASL: mechanism(), TLS: line.TLS(), MetadataTTL: time.Second}
}

func client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(line.Env("BOOTSTRAP")), Transport: transport(), Timeout: 20 * time.Second}
}

func topics(a []string) (any, error) {
	c, partitions := client(), line.Int(a[1])
	made, err := c.CreateTopics(background, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: a[0], NumPartitions: partitions - 1, ReplicationFactor: 1}}})
	if err != nil || made.Errors[a[0]] != nil {
		return nil, fmt.Errorf("CreateTopics: %v %v", err, made)
	}
	grown, err := c.CreatePartitions(background, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{
		{Name: a[0], Count: int32(partitions)}}})
	if err != nil || grown.Errors[a[0]] != nil {
		return nil, fmt.Errorf("CreatePartitions: %v %v", err, grown)
	}
	seen, err := client().Metadata(background, &kafka.MetadataRequest{Topics: []string{a[0]}})
	if err != nil || len(seen.Topics[0].Partitions) != partitions {
		return nil, fmt.Errorf("Metadata: %v %v", err, seen)
	}
	gone, err := c.DeleteTopics(background, &kafka.DeleteTopicsRequest{Topics: []string{a[0]}})
	if err != nil || gone.Errors[a[0]] != nil {
		return nil, fmt.Errorf("DeleteTopics: %v %v", err, gone)
	}
	return nil, nil
}

// byNumber puts record n into partition n % partitions.
func byNumber(m kafka.Message, partitions ...int) int {
	return partitions[line.Int(string(m.Value))%len(partitions)]
}

func writer(topic, codec string) *kafka.Writer {
	codecs := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	return &kafka.Writer{Addr: kafka.TCP(line.Env("BOOTSTRAP")), Topic: topic, Transport: transport(), RequiredAcks: kafka.RequireAll,
		Balancer: kafka.BalancerFunc(byNumber), Compression: codecs[codec], BatchTimeout: 5 * time.Millisecond}
}

func records(first, count int) []kafka.Message {
	found := []kafka.Message{}
	for n := first; n < first+count; n++ {
		text := []byte(strconv.Itoa(n))
		found = append(found, kafka.Message{Key: text, Value: text})
	}
	return found
}

func send(a []string) (any, error) {
	w := writer(a[0], a[4])
	defer w.Close()
	return nil, w.WriteMessages(background, records(line.Int(a[2]), line.Int(a[3]))...)
}

// stream sends rounds of a few records, numbered on, and again what was refused, as an application does.
func stream(a []string) (any, error) {
	w, sent, stopped := writer(a[0], "none"), 0, line.Stopped()
	defer w.Close()
	for stopped.Err() == nil {
		for waiting := records(sent, line.Round); len(waiting) > 0; {
			err := w.WriteMessages(background, waiting...)
			var each kafka.WriteErrors
			if err == nil {
				break
			}
			if errors.As(err, &each) {
				again := []kafka.Message{}
				for i, e := range each {
					if e != nil {
						again = append(again, waiting[i])
					}
				}
				waiting = again
			}
		}
		sent += line.Round
		line.Say("acked", sent)
	}
	return sent, nil
}

// member reads the partitions of one generation until it ends.
type member struct {
	topic  string
	dialer *kafka.Dialer
	mutex  sync.Mutex
	next   map[int]int64
}

func (m *member) read(ctx context.Context, partition int, offset int64) {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{line.Env("BOOTSTRAP")}, Topic: m.topic, Partition: partition,
		Dialer: m.dialer, MaxWait: 200 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20, OffsetOutOfRangeError: true})
	defer r.Close()
	r.SetOffset(offset)
	for {
		got, err := r.ReadMessage(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, kafka.OffsetOutOfRange) {
			r.SetOffset(kafka.FirstOffset)
			continue
		}
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		m.mutex.Lock() // first: whoever hears of the record may end the group, and expects it committed
		m.next[partition] = got.Offset + 1
		m.mutex.Unlock()
		line.Say("record", got.Partition, got.Offset, string(got.Value))
	}
}

func group(a []string) (any, error) {
	stopped := line.Stopped()
	dialer := &kafka.Dialer{SASLMechanism: mechanism(), TLS: line.TLS(), Timeout: 10 * time.Second}
	g, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: a[1], Brokers: []string{line.Env("BOOTSTRAP")}, Topics: []string{a[0]},
		Dialer: dialer, SessionTimeout: 6 * time.Second, HeartbeatInterval: 500 * time.Millisecond,
		RebalanceTimeout: 10 * time.Second, StartOffset: kafka.FirstOffset, JoinGroupBackoff: 100 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	defer g.Close()
	for stopped.Err() == nil {
		generation, err := g.Next(stopped)
		if err != nil {
			continue // it comes back by itself
		}
		m, all := &member{topic: a[0], dialer: dialer, next: map[int]int64{}}, []int{}
		for _, p := range generation.Assignments[a[0]] {
			all = append(all, p.ID)
			generation.Start(func(ctx context.Context) { m.read(ctx, p.ID, p.Offset) })
		}
		line.SayAssigned(all)
		over := make(chan struct{})
		generation.Start(func(ctx context.Context) {
			defer close(over)
			select {
			case <-ctx.Done():
			case <-stopped.Done():
			}
			m.mutex.Lock()
			defer m.mutex.Unlock()
			if err := generation.CommitOffsets(map[string]map[int]int64{a[0]: m.next}); err != nil {
				line.Say("note", err)
			}
		})
		<-over
	}
	return nil, nil
}

func configs(a []string) (any, error) {
	c := client()
	set, err := c.IncrementalAlterConfigs(background, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: a[0], Configs: []kafka.IncrementalAlterConfigsRequestConfig{
			{Name: "retention.ms", Value: "3600000", ConfigOperation: kafka.ConfigOperationSet}}}}})
	if err != nil || set.Resources[0].Error != nil {
		return nil, fmt.Errorf("IncrementalAlterConfigs: %v %v", err, set)
	}
	seen, err := c.DescribeConfigs(background, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: a[0], ConfigNames: []string{"retention.ms"}}}})
	if err != nil {
		return nil, err
	}
	line.Say("value", seen.Resources[0].ConfigEntries[0].ConfigValue)
	return nil, nil
}

func groups(a []string) (any, error) {
	c := client()
	listed, err := c.ListGroups(background, &kafka.ListGroupsRequest{})
	if err != nil || len(listed.Groups) == 0 {
		return nil, fmt.Errorf("ListGroups: %v %v", err, listed)
	}
	described, err := c.DescribeGroups(background, &kafka.DescribeGroupsRequest{GroupIDs: []string{a[0]}})
	if err != nil {
		return nil, err
	}
	line.Say("state", described.Groups[0].GroupState)
	offsets, err := c.OffsetFetch(background, &kafka.OffsetFetchRequest{GroupID: a[0], Topics: map[string][]int{a[1]: {0, 1, 2}}})
	if err != nil {
		return nil, err
	}
	sum := int64(0)
	for _, o := range offsets.Topics[a[1]] {
		sum += o.CommittedOffset
	}
	line.Say("offsets", sum)
	gone, err := c.DeleteGroups(background, &kafka.DeleteGroupsRequest{GroupIDs: []string{a[0]}})
	if err != nil || gone.Errors[a[0]] != nil {
		return nil, fmt.Errorf("DeleteGroups: %v %v", err, gone)
	}
	return nil, nil
}

func acl(a []string) (any, error) {
	c, want := client(), 0
	if a[0] == "create" {
		want = 1
		made, err := c.CreateACLs(background, &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{{ResourceType: kafka.ResourceTypeTopic,
			ResourceName: a[1], ResourcePatternType: kafka.PatternTypeLiteral, Principal: a[2], Host: "*",
			Operation: kafka.ACLOperationTypeWrite, PermissionType: kafka.ACLPermissionTypeAllow}}})
		if err != nil || made.Errors[0] != nil {
			return nil, fmt.Errorf("CreateACLs: %v %v", err, made)
		}
	} else {
		gone, err := c.DeleteACLs(background, &kafka.DeleteACLsRequest{Filters: []kafka.DeleteACLsFilter{{ResourceTypeFilter: kafka.ResourceTypeTopic,
			ResourceNameFilter: a[1], ResourcePatternTypeFilter: kafka.PatternTypeLiteral, PrincipalFilter: a[2], HostFilter: "*",
			Operation: kafka.ACLOperationTypeWrite, PermissionType: kafka.ACLPermissionTypeAllow}}})
		if err != nil || len(gone.Results[0].MatchingACLs) != 1 {
			return nil, fmt.Errorf("DeleteACLs: %v %v", err, gone)
		}
	}
	seen, err := c.DescribeACLs(background, &kafka.DescribeACLsRequest{Filter: kafka.ACLFilter{ResourceTypeFilter: kafka.ResourceTypeTopic,
		ResourceNameFilter: a[1], ResourcePatternTypeFilter: kafka.PatternTypeLiteral, PrincipalFilter: a[2], HostFilter: "*",
		Operation: kafka.ACLOperationTypeWrite, PermissionType: kafka.ACLPermissionTypeAllow}})
	if err != nil || seen.Error != nil || len(seen.Resources) != want {
		return nil, fmt.Errorf("DescribeACLs: %v %v", err, seen)
	}
	return nil, nil
}

func scramUser(a []string) (any, error) {
	c, change, salt := client(), &kafka.AlterUserScramCredentialsRequest{}, []byte("some salt of ours")
	if a[0] == "upsert" {
		salted, err := pbkdf2.Key(sha256.New, a[2], salt, 4096, sha256.Size) // kafka-go leaves salting to its user
		if err != nil {
			return nil, err
		}
		change.Upsertions = []kafka.UserScramCredentialsUpsertion{{Name: a[1], Mechanism: kafka.ScramMechanismSha256, Iterations: 4096,
			Salt: salt, SaltedPassword: salted}}
	} else {
		change.Deletions = []kafka.UserScramCredentialsDeletion{{Name: a[1], Mechanism: kafka.ScramMechanismSha256}}
	}
	done, err := c.AlterUserScramCredentials(background, change)
	if err != nil || done.Results[0].Error != nil {
		return nil, fmt.Errorf("AlterUserScramCredentials: %v %v", err, done)
	}
	seen, err := c.DescribeUserScramCredentials(background, &kafka.DescribeUserScramCredentialsRequest{
		Users: []kafka.UserScramCredentialsUser{{Name: a[1]}}})
	if err != nil || (len(seen.Results[0].CredentialInfos) == 1) != (a[0] == "upsert") {
		return nil, fmt.Errorf("DescribeUserScramCredentials: %v %v", err, seen)
	}
	return nil, nil
}

func quotas(a []string) (any, error) {
	c := client()
	for _, remove := range []bool{false, true} {
		done, err := c.AlterClientQuotas(background, &kafka.AlterClientQuotasRequest{Entries: []kafka.AlterClientQuotaEntry{{
			Entities: []kafka.AlterClientQuotaEntity{{EntityType: "user", EntityName: a[0]}},
			Ops:      []kafka.AlterClientQuotaOps{{Key: "producer_byte_rate", Value: 1000000, Remove: remove}}}}})
		if err != nil || done.Entries[0].Error != nil {
			return nil, fmt.Errorf("AlterClientQuotas: %v %v", err, done)
		}
		seen, err := c.DescribeClientQuotas(background, &kafka.DescribeClientQuotasRequest{Strict: true,
			Components: []kafka.DescribeClientQuotasRequestComponent{{EntityType: "user", MatchType: 0, Match: a[0]}}})
		if err != nil || seen.Error != nil || remove != (len(seen.Entries) == 0) {
			return nil, fmt.Errorf("DescribeClientQuotas: %v %v", err, seen)
		}
		if !remove {
			line.Say("value", int(seen.Entries[0].Values[0].Value))
		}
	}
	return nil, nil
}

func main() {
	line.Main(map[string]func([]string) (any, error){"topics": topics, "send": send, "stream": stream, "group": group,
		"configs": configs, "groups": groups, "acl": acl, "scram": scramUser, "quotas": quotas})
}
