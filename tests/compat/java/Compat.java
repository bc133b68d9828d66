/* Kafka's Java client as a client program; the commands are those of README.md. */
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Compat {
    /** Records of a stream that are on their way at a time. */
    static final int ROUND = 20;
    static volatile boolean stopped;

    interface Command {
        Object run(String[] args) throws Exception;
    }

    static String env(String name) {
        return System.getenv("COMPAT_" + name);
    }

    static Map<String, Object> config(Object... more) {
        Map<String, Object> c = new HashMap<>();
        boolean tls = env("CA") != null && !env("CA").isEmpty();
        c.put("bootstrap.servers", env("BOOTSTRAP"));
        c.put("client.id", env("CLIENT_ID"));
        c.put("security.protocol", tls ? "SASL_SSL" : "SASL_PLAINTEXT");
        c.put("sasl.mechanism", env("MECHANISM"));
        c.put("sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\""
              + env("USER") + "\" password=\"" + env("PASSWORD") + "\";");
        if (tls) {
            c.put("ssl.truststore.type", "PEM");
            c.put("ssl.truststore.location", env("CA"));
        }
        for (int i = 0; i < more.length; i += 2)
            c.put((String) more[i], more[i + 1]);
        return c;
    }

    static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static void listenForStop() {
        Thread t = new Thread(() -> {
            try {
                while (System.in.read() > '\n') { }
            } catch (IOException e) {
                // the end of it means the same
            }
            stopped = true;
        });
        t.setDaemon(true);
        t.start();
    }

    static void check(boolean condition, String what) {
        if (!condition)
            throw new IllegalStateException(what);
    }

    static KafkaProducer<String, String> producer(Object... more) {
        return new KafkaProducer<>(config(more), new StringSerializer(), new StringSerializer());
    }

    static ProducerRecord<String, String> record(String topic, int partitions, int n) {
        return new ProducerRecord<>(topic, n % partitions, String.valueOf(n), String.valueOf(n));
    }

    static Object topics(String[] a) throws Exception {
        String topic = a[1];
        int partitions = Integer.parseInt(a[2]);
        try (Admin admin = Admin.create(config())) {
            admin.createTopics(List.of(new NewTopic(topic, partitions - 1, (short) 1))).all().get();
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(partitions))).all().get();
            check(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == partitions,
                  "the number of partitions");
            check(admin.listTopics().names().get().contains(topic), "the topic is not listed");
            admin.deleteTopics(List.of(topic)).all().get();
            check(!admin.listTopics().names().get().contains(topic), "the topic is still listed");
        }
        return "";
    }

    static Object send(String[] a) throws Exception {
        int first = Integer.parseInt(a[3]), count = Integer.parseInt(a[4]);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> p = producer("acks", "all", "enable.idempotence", false,
                                                        "compression.type", a[5], "linger.ms", 5)) {
            for (int n = first; n < first + count; n++)
                sent.add(p.send(record(a[1], Integer.parseInt(a[2]), n)));
            p.flush();
            for (Future<RecordMetadata> f : sent)
                f.get();
        }
        return "";
    }

    /** Rounds of a few records, numbered on; a plain stream sends again what was refused, as an application does. */
    static Object stream(String[] a) throws Exception {
        boolean idempotent = a[3].equals("idempotent");
        int sent = 0;
        listenForStop();
        try (KafkaProducer<String, String> p = producer("acks", "all", "enable.idempotence", idempotent, "linger.ms", 0,
                                                        "metadata.max.age.ms", 1000)) {
            while (!stopped) {
                Set<Integer> waiting = new TreeSet<>();
                for (int i = 0; i < ROUND; i++)
                    waiting.add(sent + i);
                while (!waiting.isEmpty()) {
                    Map<Integer, Future<RecordMetadata>> round = new HashMap<>();
                    for (int n : waiting)
                        round.put(n, p.send(record(a[1], Integer.parseInt(a[2]), n)));
                    p.flush();
                    for (Map.Entry<Integer, Future<RecordMetadata>> e : round.entrySet()) {
                        try {
                            e.getValue().get();
                            waiting.remove(e.getKey());
                        } catch (ExecutionException x) {
                            if (idempotent)
                                throw x;
                        }
                    }
                }
                sent += ROUND;
                say("acked " + sent);
                Thread.sleep(5);
            }
        }
        return sent;
    }

    static void sayAssigned(Collection<TopicPartition> all) {
        String joined = all.stream().map(TopicPartition::partition).sorted().map(String::valueOf).collect(Collectors.joining(","));
        say("assigned " + (joined.isEmpty() ? "-" : joined));
    }

    static Object group(String[] a) throws Exception {
        Map<String, Object> c = config("group.id", a[2], "auto.offset.reset", "earliest", "enable.auto.commit", false,
                                       "metadata.max.age.ms", 1000, "isolation.level", "read_committed");
        if (a.length > 3 && a[3].equals("consumer")) {
            c.put("group.protocol", "consumer");
        } else {
            c.put("session.timeout.ms", 6000);
            c.put("heartbeat.interval.ms", 500);
        }
        listenForStop();
        try (KafkaConsumer<String, String> k = new KafkaConsumer<>(c, new StringDeserializer(), new StringDeserializer())) {
            k.subscribe(List.of(a[1]), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> p) {
                    sayAssigned(k.assignment());
                }

                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> p) {
                    sayAssigned(k.assignment().stream().filter(t -> !p.contains(t)).toList());
                }
            });
            while (!stopped)
                for (ConsumerRecord<String, String> r : k.poll(Duration.ofMillis(100)))
                    say("record " + r.partition() + " " + r.offset() + " " + r.value());
            k.commitSync();
        }
        return "";
    }

    static Object transaction(String[] a) throws Exception {
        int first = Integer.parseInt(a[4]), count = Integer.parseInt(a[5]);
        try (KafkaProducer<String, String> p = producer("transactional.id", a[3])) {
            p.initTransactions();
            p.beginTransaction();
            for (int n = first; n < first + count; n++)
                p.send(record(a[1], Integer.parseInt(a[2]), n));
            p.flush();
            if (a[6].equals("commit"))
                p.commitTransaction();
            else
                p.abortTransaction();
        }
        return "";
    }

    /** Where the group is: what was read since is read again. */
    static void rewind(KafkaConsumer<String, String> c) {
        Map<TopicPartition, OffsetAndMetadata> committed = c.committed(c.assignment());
        for (TopicPartition p : c.assignment()) {
            if (committed.get(p) != null)
                c.seek(p, committed.get(p).offset());
            else
                c.seekToBeginning(List.of(p));
        }
    }

    /** Copies IN to OUT in transactions, with the offsets of the group; one of four is aborted. */
    static Object copy(String[] a) throws Exception {
        int partitions = Integer.parseInt(a[3]), copied = 0;
        Random random = new Random();
        Map<String, Object> c = config("group.id", a[4], "auto.offset.reset", "earliest", "enable.auto.commit", false,
                                       "isolation.level", "read_committed", "max.poll.records", ROUND, "session.timeout.ms", 6000);
        listenForStop();
        try (KafkaConsumer<String, String> k = new KafkaConsumer<>(c, new StringDeserializer(), new StringDeserializer());
             KafkaProducer<String, String> p = producer("transactional.id", a[5])) {
            p.initTransactions();
            k.subscribe(List.of(a[1]));
            while (!stopped) {
                ConsumerRecords<String, String> records = k.poll(Duration.ofMillis(100));
                if (records.isEmpty())
                    continue;
                p.beginTransaction();
                try {
                    for (ConsumerRecord<String, String> r : records)
                        p.send(record(a[2], partitions, Integer.parseInt(r.value())));
                    p.sendOffsetsToTransaction(records.nextOffsets(), k.groupMetadata());
                    if (random.nextInt(4) == 0)
                        throw new KafkaException("aborted at random");
                    p.commitTransaction();
                    copied += records.count();
                    say("acked " + copied);
                } catch (ProducerFencedException | OutOfOrderSequenceException e) {
                    throw e;
                } catch (KafkaException e) {
                    p.abortTransaction();
                    rewind(k);
                }
            }
        }
        return copied;
    }

    static Object configs(String[] a) throws Exception {
        try (Admin admin = Admin.create(config())) {
            ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, a[1]);
            admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(
                new ConfigEntry("retention.ms", "3600000"), AlterConfigOp.OpType.SET)))).all().get();
            say("value " + admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.ms").value());
        }
        return "";
    }

    static Object groups(String[] a) throws Exception {
        try (Admin admin = Admin.create(config())) {
            check(admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals(a[1])), "the group is not listed");
            say("state " + admin.describeConsumerGroups(List.of(a[1])).all().get().get(a[1]).groupState());
            long sum = 0;
            for (OffsetAndMetadata o : admin.listConsumerGroupOffsets(a[1]).partitionsToOffsetAndMetadata().get().values())
                sum += o.offset();
            say("offsets " + sum);
            admin.deleteConsumerGroups(List.of(a[1])).all().get();
        }
        return "";
    }

    static Object deleteRecords(String[] a) throws Exception {
        try (Admin admin = Admin.create(config())) {
            admin.deleteRecords(Map.of(new TopicPartition(a[1], 0), RecordsToDelete.beforeOffset(Long.parseLong(a[2])))).all().get();
        }
        return "";
    }

    static Object acl(String[] a) throws Exception {
        AclBinding acl = new AclBinding(new ResourcePattern(ResourceType.TOPIC, a[2], PatternType.LITERAL),
                                        new AccessControlEntry(a[3], "*", AclOperation.WRITE, AclPermissionType.ALLOW));
        try (Admin admin = Admin.create(config())) {
            if (a[1].equals("create"))
                admin.createAcls(List.of(acl)).all().get();
            else
                check(admin.deleteAcls(List.of(acl.toFilter())).all().get().contains(acl), "it is not what was deleted");
            check(admin.describeAcls(acl.toFilter()).values().get().contains(acl) == a[1].equals("create"), "what is described");
        }
        return "";
    }

    static Object scram(String[] a) throws Exception {
        boolean upsert = a[1].equals("upsert");
        UserScramCredentialAlteration change = upsert
            ? new UserScramCredentialUpsertion(a[2], new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), a[3])
            : new UserScramCredentialDeletion(a[2], ScramMechanism.SCRAM_SHA_256);
        try (Admin admin = Admin.create(config())) {
            admin.alterUserScramCredentials(List.of(change)).all().get();
            check(admin.describeUserScramCredentials().all().get().containsKey(a[2]) == upsert, "what is described");
        }
        return "";
    }

    static Object quotas(String[] a) throws Exception {
        ClientQuotaEntity user = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, a[1]));
        ClientQuotaFilter only = ClientQuotaFilter.containsOnly(List.of(
            ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, a[1])));
        try (Admin admin = Admin.create(config())) {
            for (Double value : new Double[] { 1000000.0, null }) {
                admin.alterClientQuotas(List.of(new ClientQuotaAlteration(user, List.of(
                    new ClientQuotaAlteration.Op("producer_byte_rate", value))))).all().get();
                Map<String, Double> seen = admin.describeClientQuotas(only).entities().get().get(user);
                if (value != null)
                    say("value " + seen.get("producer_byte_rate").longValue());
                else
                    check(seen == null, "the quota is still there");
            }
        }
        return "";
    }

    public static void main(String[] args) {
        Map<String, Command> commands = Map.ofEntries(
            Map.entry("topics", Compat::topics), Map.entry("send", Compat::send), Map.entry("stream", Compat::stream),
            Map.entry("group", Compat::group), Map.entry("transaction", Compat::transaction), Map.entry("copy", Compat::copy),
            Map.entry("configs", Compat::configs), Map.entry("groups", Compat::groups),
            Map.entry("delete-records", Compat::deleteRecords), Map.entry("acl", Compat::acl),
            Map.entry("scram", Compat::scram), Map.entry("quotas", Compat::quotas));
        try {
            say("ok " + commands.get(args[0]).run(args));
        } catch (Throwable e) {
            e.printStackTrace();
            say("error " + String.valueOf(e).replace('\n', ' '));
            System.exit(1);
        }
        System.exit(0);
    }
}
