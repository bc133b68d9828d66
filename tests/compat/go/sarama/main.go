// sarama as a client program; the commands are those of README.md.
package main

import (
	"crypto/sha512"
	"fmt"
	"hash"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"leat/tests/compat/line"
)

// scramClient is the conversation, which sarama leaves to its user.
type scramClient struct{ *scram.ClientConversation }

func (c *scramClient) Begin(user, password, authz string) error {
	client, err := scram.HashGeneratorFcn(func() hash.Hash { return sha512.New() }).NewClient(user, password, authz)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Net.SASL.Enable, c.Net.SASL.User, c.Net.SASL.Password = true, line.Env("USER"), line.Env("PASSWORD")
	c.Net.SASL.Mechanism = sarama.SASLTypeSCRAMSHA512
	c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{} }
	if tls := line.TLS(); tls != nil {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, tls
	}
	c.Metadata.RefreshFrequency, c.Metadata.Retry.Max, c.Metadata.AllowAutoTopicCreation = time.Second, 50, false
	return c
}

func admin() sarama.ClusterAdmin {
	a, err := sarama.NewClusterAdmin([]string{line.Env("BOOTSTRAP")}, config())
	if err != nil {
		panic(err)
	}
	return a
}

func topics(a []string) (any, error) {
	c, partitions := admin(), line.Int(a[1])
	defer c.Close()
	if err := c.CreateTopic(a[0], &sarama.TopicDetail{NumPartitions: int32(partitions - 1), ReplicationFactor: 1}, false); err != nil {
		return nil, err
	}
	if err := c.CreatePartitions(a[0], int32(partitions), nil, false); err != nil {
		return nil, err
	}
	seen, err := c.ListTopics()
	if err != nil || int(seen[a[0]].NumPartitions) != partitions {
		return nil, fmt.Errorf("ListTopics: %v %v", err, seen[a[0]])
	}
	return nil, c.DeleteTopic(a[0])
}

func producer(codec string, idempotent bool, transactional string) (sarama.SyncProducer, error) {
	c := config()
	c.Producer.Transaction.ID = transactional
	c.Producer.RequiredAcks, c.Producer.Return.Successes = sarama.WaitForAll, true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Retry.Max, c.Producer.Retry.Backoff = 100, 100*time.Millisecond
	if err := c.Producer.Compression.UnmarshalText([]byte(codec)); err != nil {
		return nil, err
	}
	if idempotent {
		c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	}
	return sarama.NewSyncProducer([]string{line.Env("BOOTSTRAP")}, c)
}

func records(topic string, partitions, first, count int) []*sarama.ProducerMessage {
	found := []*sarama.ProducerMessage{}
	for n := first; n < first+count; n++ {
		text := sarama.StringEncoder(strconv.Itoa(n))
		found = append(found, &sarama.ProducerMessage{Topic: topic, Partition: int32(n % partitions), Key: text, Value: text})
	}
	return found
}

func send(a []string) (any, error) {
	p, err := producer(a[4], false, "")
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return nil, p.SendMessages(records(a[0], line.Int(a[1]), line.Int(a[2]), line.Int(a[3])))
}

// stream sends rounds of a few records, numbered on; a plain stream sends a round again when part of it was refused.
func stream(a []string) (any, error) {
	sent, stopped := 0, line.Stopped()
	p, err := producer("none", a[2] == "idempotent", "")
	if err != nil {
		return nil, err
	}
	defer p.Close()
	for stopped.Err() == nil {
		if err := p.SendMessages(records(a[0], line.Int(a[1]), sent, line.Round)); err != nil {
			if a[2] == "idempotent" {
				return nil, err
			}
			continue
		}
		sent += line.Round
		line.Say("acked", sent)
		time.Sleep(5 * time.Millisecond)
	}
	return sent, nil
}

func transaction(a []string) (any, error) {
	p, err := producer("none", true, a[2])
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if err := p.BeginTxn(); err != nil {
		return nil, err
	}
	if err := p.SendMessages(records(a[0], line.Int(a[1]), line.Int(a[3]), line.Int(a[4]))); err != nil {
		return nil, err
	}
	if a[5] == "commit" {
		return nil, p.CommitTxn()
	}
	return nil, p.AbortTxn()
}

type member struct{ topic string }

func (m member) Setup(s sarama.ConsumerGroupSession) error {
	all := []int{}
	for _, p := range s.Claims()[m.topic] {
		all = append(all, int(p))
	}
	line.SayAssigned(all)
	return nil
}

func (m member) Cleanup(s sarama.ConsumerGroupSession) error {
	s.Commit()
	line.SayAssigned(nil)
	return nil
}

func (m member) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case r, more := <-c.Messages():
			if !more {
				return nil
			}
			line.Say("record", r.Partition, r.Offset, string(r.Value))
			s.MarkMessage(r, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func group(a []string) (any, error) {
	c, stopped := config(), line.Stopped()
	c.Consumer.Offsets.Initial, c.Consumer.Offsets.AutoCommit.Enable = sarama.OffsetOldest, false
	c.Consumer.Group.ResetInvalidOffsets, c.Consumer.IsolationLevel = true, sarama.ReadCommitted
	c.Consumer.Group.Session.Timeout, c.Consumer.Group.Heartbeat.Interval = 6*time.Second, 500*time.Millisecond
	g, err := sarama.NewConsumerGroup([]string{line.Env("BOOTSTRAP")}, a[1], c)
	if err != nil {
		return nil, err
	}
	for stopped.Err() == nil {
		if err := g.Consume(stopped, []string{a[0]}, member{a[0]}); err != nil {
			fmt.Println("note", err) // sarama leaves coming back to its user
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil, g.Close()
}

func configs(a []string) (any, error) {
	c, value := admin(), "3600000"
	defer c.Close()
	err := c.IncrementalAlterConfig(sarama.TopicResource, a[0], map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false)
	if err != nil {
		return nil, err
	}
	seen, err := c.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: a[0], ConfigNames: []string{"retention.ms"}})
	if err != nil {
		return nil, err
	}
	line.Say("value", seen[0].Value)
	return nil, nil
}

func groups(a []string) (any, error) {
	c := admin()
	defer c.Close()
	listed, err := c.ListConsumerGroups()
	if _, is := listed[a[0]]; err != nil || !is {
		return nil, fmt.Errorf("ListConsumerGroups: %v %v", err, listed)
	}
	described, err := c.DescribeConsumerGroups([]string{a[0]})
	if err != nil {
		return nil, err
	}
	line.Say("state", described[0].State)
	offsets, err := c.ListConsumerGroupOffsets(a[0], map[string][]int32{a[1]: {0, 1, 2}})
	if err != nil {
		return nil, err
	}
	sum := int64(0)
	for _, o := range offsets.Blocks[a[1]] {
		sum += o.Offset
	}
	line.Say("offsets", sum)
	return nil, c.DeleteConsumerGroup(a[0])
}

func deleteRecords(a []string) (any, error) {
	c := admin()
	defer c.Close()
	return nil, c.DeleteRecords(a[0], map[int32]int64{0: int64(line.Int(a[1]))})
}

func acl(a []string) (any, error) {
	c, want := admin(), 0
	defer c.Close()
	like := sarama.AclFilter{ResourceType: sarama.AclResourceTopic, ResourceName: &a[1], ResourcePatternTypeFilter: sarama.AclPatternLiteral,
		Principal: &a[2], Operation: sarama.AclOperationWrite, PermissionType: sarama.AclPermissionAllow}
	if a[0] == "create" {
		want = 1
		topic := sarama.Resource{ResourceType: sarama.AclResourceTopic, ResourceName: a[1], ResourcePatternType: sarama.AclPatternLiteral}
		one := sarama.Acl{Principal: a[2], Host: "*", Operation: sarama.AclOperationWrite, PermissionType: sarama.AclPermissionAllow}
		if err := c.CreateACL(topic, one); err != nil {
			return nil, err
		}
	} else if gone, err := c.DeleteACL(like, false); err != nil || len(gone) != 1 {
		return nil, fmt.Errorf("DeleteACL: %v %v", err, gone)
	}
	seen, err := c.ListAcls(like)
	if err != nil || len(seen) != want {
		return nil, fmt.Errorf("ListAcls: %v %v", err, seen)
	}
	return nil, nil
}

func scramUser(a []string) (any, error) {
	c := admin()
	defer c.Close()
	var done []*sarama.AlterUserScramCredentialsResult
	var err error
	if a[0] == "upsert" {
		done, err = c.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{{Name: a[1], Mechanism: sarama.SCRAM_MECHANISM_SHA_256,
			Iterations: 4096, Salt: []byte("some salt of ours"), Password: []byte(a[2])}})
	} else {
		done, err = c.DeleteUserScramCredentials([]sarama.AlterUserScramCredentialsDelete{{Name: a[1], Mechanism: sarama.SCRAM_MECHANISM_SHA_256}})
	}
	if err != nil || done[0].ErrorCode != sarama.ErrNoError {
		return nil, fmt.Errorf("AlterUserScramCredentials: %v %v", err, done)
	}
	seen, err := c.DescribeUserScramCredentials([]string{a[1]})
	if err != nil || (len(seen[0].CredentialInfos) == 1) != (a[0] == "upsert") {
		return nil, fmt.Errorf("DescribeUserScramCredentials: %v %v", err, seen)
	}
	return nil, nil
}

func quotas(a []string) (any, error) {
	c := admin()
	defer c.Close()
	for _, remove := range []bool{false, true} {
		user := []sarama.QuotaEntityComponent{{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchExact, Name: a[0]}}
		if err := c.AlterClientQuotas(user, sarama.ClientQuotasOp{Key: "producer_byte_rate", Value: 1000000, Remove: remove}, false); err != nil {
			return nil, err
		}
		seen, err := c.DescribeClientQuotas([]sarama.QuotaFilterComponent{
			{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchExact, Match: a[0]}}, true)
		if err != nil || remove != (len(seen) == 0) {
			return nil, fmt.Errorf("DescribeClientQuotas: %v %v", err, seen)
		}
		if !remove {
			line.Say("value", int(seen[0].Values["producer_byte_rate"]))
		}
	}
	return nil, nil
}

func main() {
	line.Main(map[string]func([]string) (any, error){"topics": topics, "send": send, "stream": stream, "group": group,
		"transaction": transaction, "configs": configs, "groups": groups, "delete-records": deleteRecords, "acl": acl, "scram": scramUser, "quotas": quotas})
}
