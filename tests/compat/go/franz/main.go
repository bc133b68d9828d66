// franz-go as a client program; the commands are those of README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"leat/tests/compat/line"
)

var background = context.Background()

func client(more ...kgo.Opt) *kgo.Client {
	auth := scram.Auth{User: line.Env("USER"), Pass: line.Env("PASSWORD")}
	options := []kgo.Opt{kgo.SeedBrokers(line.Env("BOOTSTRAP")), kgo.SASL(auth.AsSha512Mechanism()),
		kgo.MetadataMaxAge(time.Second), kgo.MetadataMinAge(100 * time.Millisecond)}
	if tls := line.TLS(); tls != nil {
		options = append(options, kgo.DialTLSConfig(tls))
	}
	c, err := kgo.NewClient(append(options, more...)...)
	if err != nil {
		panic(err)
	}
	return c
}

func topics(a []string) (any, error) {
	c := client()
	defer c.Close()
	admin, partitions := kadm.NewClient(c), line.Int(a[1])
	if _, err := admin.CreateTopic(background, int32(partitions-1), 1, nil, a[0]); err != nil {
		return nil, err
	}
	if made, err := admin.CreatePartitions(background, 1, a[0]); err != nil || made.Error() != nil {
		return nil, fmt.Errorf("CreatePartitions: %v %v", err, made.Error())
	}
	seen, err := admin.ListTopics(background)
	if err != nil || len(seen[a[0]].Partitions) != partitions {
		return nil, fmt.Errorf("ListTopics: %v, %d partitions", err, len(seen[a[0]].Partitions))
	}
	_, err = admin.DeleteTopic(background, a[0])
	return nil, err
}

func producer(codec string, more ...kgo.Opt) *kgo.Client {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	options := []kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[codec])}
	return client(append(options, more...)...)
}

func record(topic string, partitions, n int) *kgo.Record {
	text := []byte(strconv.Itoa(n))
	return &kgo.Record{Topic: topic, Partition: int32(n % partitions), Key: text, Value: text}
}

func send(a []string) (any, error) {
	p := producer(a[4], kgo.DisableIdempotentWrite())
	defer p.Close()
	records := []*kgo.Record{}
	for n := line.Int(a[2]); n < line.Int(a[2])+line.Int(a[3]); n++ {
		records = append(records, record(a[0], line.Int(a[1]), n))
	}
	return nil, p.ProduceSync(background, records...).FirstErr()
}

// stream sends rounds of a few records, numbered on; a plain stream sends again what was refused, as an application does.
func stream(a []string) (any, error) {
	options, sent, stopped := []kgo.Opt{}, 0, line.Stopped()
	if a[2] == "plain" {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	p := producer("none", options...)
	defer p.Close()
	for stopped.Err() == nil {
		waiting := []*kgo.Record{}
		for i := 0; i < line.Round; i++ {
			waiting = append(waiting, record(a[0], line.Int(a[1]), sent+i))
		}
		for len(waiting) > 0 {
			results := p.ProduceSync(background, waiting...)
			waiting = waiting[:0:0]
			for _, r := range results {
				if r.Err != nil && a[2] == "idempotent" {
					return nil, r.Err
				}
				if errors.Is(r.Err, kerr.UnknownTopicID) {
					p.PurgeTopicsFromClient(a[0]) // how franz-go wants to be told of a topic made anew
				}
				if r.Err != nil {
					waiting = append(waiting, record(a[0], line.Int(a[1]), line.Int(string(r.Record.Value))))
				}
			}
		}
		sent += line.Round
		line.Say("acked", sent)
		time.Sleep(5 * time.Millisecond)
	}
	return sent, nil
}

func transaction(a []string) (any, error) {
	p := producer("none", kgo.TransactionalID(a[2]))
	defer p.Close()
	if err := p.BeginTransaction(); err != nil {
		return nil, err
	}
	records := []*kgo.Record{}
	for n := line.Int(a[3]); n < line.Int(a[3])+line.Int(a[4]); n++ {
		records = append(records, record(a[0], line.Int(a[1]), n))
	}
	if err := p.ProduceSync(background, records...).FirstErr(); err != nil {
		return nil, err
	}
	return nil, p.EndTransaction(background, kgo.TransactionEndTry(a[5] == "commit"))
}

// copyRecords copies in transactions, with the offsets of the group; one of four is aborted.
func copyRecords(a []string) (any, error) {
	stopped, copied := line.Stopped(), 0
	auth := scram.Auth{User: line.Env("USER"), Pass: line.Env("PASSWORD")}
	options := []kgo.Opt{kgo.SeedBrokers(line.Env("BOOTSTRAP")), kgo.SASL(auth.AsSha512Mechanism()), kgo.TransactionalID(a[4]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumerGroup(a[3]), kgo.ConsumeTopics(a[0]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
		kgo.SessionTimeout(6 * time.Second)}
	if tls := line.TLS(); tls != nil {
		options = append(options, kgo.DialTLSConfig(tls))
	}
	s, err := kgo.NewGroupTransactSession(options...)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for stopped.Err() == nil {
		records := s.PollRecords(stopped, line.Round).Records()
		if len(records) == 0 {
			continue
		}
		if err := s.Begin(); err != nil {
			return nil, err
		}
		broken := kgo.AbortingFirstErrPromise(s.Client())
		for _, r := range records {
			s.Produce(background, record(a[1], line.Int(a[2]), line.Int(string(r.Value))), broken.Promise())
		}
		commit := broken.Err() == nil && rand.Intn(4) != 0
		committed, err := s.End(background, kgo.TransactionEndTry(commit))
		if err != nil {
			return nil, err
		}
		if committed {
			copied += len(records)
			line.Say("acked", copied)
		}
	}
	return copied, nil
}

func group(a []string) (any, error) {
	has, mutex, stopped := map[int]bool{}, sync.Mutex{}, line.Stopped()
	change := func(is bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			mutex.Lock()
			defer mutex.Unlock()
			for _, p := range changed[a[0]] {
				has[int(p)] = is
			}
			all := []int{}
			for p, is := range has {
				if is {
					all = append(all, p)
				}
			}
			line.SayAssigned(all)
		}
	}
	options := []kgo.Opt{kgo.ConsumeTopics(a[0]), kgo.ConsumerGroup(a[1]), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(200 * time.Millisecond),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false))}
	if len(a) > 2 && a[2] == "consumer" {
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
	} else {
		options = append(options, kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond))
	}
	c := client(options...)
	defer c.Close()
	for stopped.Err() == nil {
		fetches := c.PollFetches(stopped)
		fetches.EachRecord(func(r *kgo.Record) {
			line.Say("record", r.Partition, r.Offset, string(r.Value))
		})
		fetches.EachError(func(_ string, _ int32, err error) {
			if errors.Is(err, kerr.UnknownTopicID) {
				c.PurgeTopicsFromClient(a[0])
				c.AddConsumeTopics(a[0])
			}
		})
	}
	return nil, c.CommitUncommittedOffsets(background)
}

func configs(a []string) (any, error) {
	c := client()
	defer c.Close()
	admin, value := kadm.NewClient(c), "3600000"
	set := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}
	if r, err := admin.AlterTopicConfigs(background, set, a[0]); err != nil || r[0].Err != nil {
		return nil, fmt.Errorf("AlterTopicConfigs: %v %v", err, r)
	}
	seen, err := admin.DescribeTopicConfigs(background, a[0])
	if err != nil {
		return nil, err
	}
	for _, entry := range seen[0].Configs {
		if entry.Key == "retention.ms" {
			line.Say("value", entry.MaybeValue())
		}
	}
	return nil, nil
}

func groups(a []string) (any, error) {
	c := client()
	defer c.Close()
	admin := kadm.NewClient(c)
	listed, err := admin.ListGroups(background)
	if err != nil || listed[a[0]].Group != a[0] {
		return nil, fmt.Errorf("ListGroups: %v %v", err, listed)
	}
	described, err := admin.DescribeGroups(background, a[0])
	if err != nil {
		return nil, err
	}
	line.Say("state", described[a[0]].State)
	offsets, err := admin.FetchOffsets(background, a[0])
	if err != nil {
		return nil, err
	}
	sum := int64(0)
	offsets.Each(func(o kadm.OffsetResponse) { sum += o.At })
	line.Say("offsets", sum)
	_, err = admin.DeleteGroup(background, a[0])
	return nil, err
}

func deleteRecords(a []string) (any, error) {
	c := client()
	defer c.Close()
	to := kadm.Offsets{}
	to.AddOffset(a[0], 0, int64(line.Int(a[1])), -1)
	done, err := kadm.NewClient(c).DeleteRecords(background, to)
	if err != nil {
		return nil, err
	}
	return nil, done.Error()
}

func acl(a []string) (any, error) {
	c := client()
	defer c.Close()
	admin := kadm.NewClient(c)
	one := kadm.NewACLs().Topics(a[1]).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite).Allow(a[2]).AllowHosts("*")
	want := 0
	if a[0] == "create" {
		want = 1
		if made, err := admin.CreateACLs(background, one); err != nil || made[0].Err != nil {
			return nil, fmt.Errorf("CreateACLs: %v %v", err, made)
		}
	} else if gone, err := admin.DeleteACLs(background, one); err != nil || gone[0].Err != nil || len(gone[0].Deleted) != 1 {
		return nil, fmt.Errorf("DeleteACLs: %v %v", err, gone)
	}
	seen, err := admin.DescribeACLs(background, one)
	if err != nil || seen[0].Err != nil || len(seen[0].Described) != want {
		return nil, fmt.Errorf("DescribeACLs: %v %v", err, seen)
	}
	return nil, nil
}

func scramUser(a []string) (any, error) {
	c := client()
	defer c.Close()
	admin, deletions, upserts := kadm.NewClient(c), []kadm.DeleteSCRAM{}, []kadm.UpsertSCRAM{}
	if a[0] == "upsert" {
		upserts = append(upserts, kadm.UpsertSCRAM{User: a[1], Mechanism: kadm.ScramSha256, Iterations: 4096, Password: a[2]})
	} else {
		deletions = append(deletions, kadm.DeleteSCRAM{User: a[1], Mechanism: kadm.ScramSha256})
	}
	done, err := admin.AlterUserSCRAMs(background, deletions, upserts)
	if err != nil || done.Error() != nil {
		return nil, fmt.Errorf("AlterUserSCRAMs: %v %v", err, done)
	}
	seen, err := admin.DescribeUserSCRAMs(background)
	if _, is := seen[a[1]]; err != nil || is != (a[0] == "upsert") {
		return nil, fmt.Errorf("DescribeUserSCRAMs: %v %v", err, seen)
	}
	return nil, nil
}

func quotas(a []string) (any, error) {
	c := client()
	defer c.Close()
	admin := kadm.NewClient(c)
	for _, remove := range []bool{false, true} {
		done, err := admin.AlterClientQuotas(background, []kadm.AlterClientQuotaEntry{{
			Entity: kadm.ClientQuotaEntity{{Type: "user", Name: &a[0]}},
			Ops:    []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1000000, Remove: remove}}}})
		if err != nil || done[0].Err != nil {
			return nil, fmt.Errorf("AlterClientQuotas: %v %v", err, done)
		}
		seen, err := admin.DescribeClientQuotas(background, true, []kadm.DescribeClientQuotaComponent{{Type: "user", MatchName: &a[0]}})
		if err != nil || remove != (len(seen) == 0) {
			return nil, fmt.Errorf("DescribeClientQuotas: %v %v", err, seen)
		}
		if !remove {
			line.Say("value", int(seen[0].Values[0].Value))
		}
	}
	return nil, nil
}

func main() {
	line.Main(map[string]func([]string) (any, error){"topics": topics, "send": send, "stream": stream, "group": group,
		"transaction": transaction, "copy": copyRecords, "configs": configs, "groups": groups, "delete-records": deleteRecords, "acl": acl, "scram": scramUser, "quotas": quotas})
}
