/* Kafka's Java client as a client program; the commands are those of README.md. */
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
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
                                       "metadata.max.age.ms", 1000);
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

    static Object configs(String[] a) throws Exception {
        try (Admin admin = Admin.create(config())) {
            ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, a[1]);
            admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(
                new ConfigEntry("retention.ms", "3600000"), AlterConfigOp.OpType.SET)))).all().get();
            say("value " + admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.ms").value());
        }
        return "";
    }

    public static void main(String[] args) {
        Map<String, Command> commands = Map.of("topics", Compat::topics, "send", Compat::send, "stream", Compat::stream,
                                               "group", Compat::group, "configs", Compat::configs);
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
