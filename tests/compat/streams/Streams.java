/* Streams.java - a Kafka Streams application with exactly_once_v2, and the one who feeds and checks it.
 *
 *   Streams.java app CLIENT STATE_DIR GUARANTEE     clicks are counted by group and second, and joined with profiles
 *   Streams.java drive CLIENT CLICKS                writes profiles and clicks; prints "enriched N" while committed
 *                                                   results come; then checks that each click was counted once
 *
 * CLIENT is a properties file with the address and the login. The application stops when its stdin ends. */
import java.io.*;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.*;

public class Streams {
    static final int PARTITIONS = 3, USERS = 50, GROUPS = 5;
    static final long BEGIN = System.currentTimeMillis() / 1000 * 1000 - 600_000, STEP_MS = 5;

    static Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, Long> clicks = builder.stream("clicks", Consumed.with(Serdes.String(), Serdes.Long()));
        KTable<String, String> profiles = builder.table("profiles", Consumed.with(Serdes.String(), Serdes.String()));
        clicks.join(profiles, (click, name) -> click + " " + name, Joined.with(Serdes.String(), Serdes.Long(), Serdes.String()))
            .to("enriched", Produced.with(Serdes.String(), Serdes.String()));
        clicks.groupBy((user, click) -> "group-" + click % GROUPS, Grouped.with(Serdes.String(), Serdes.Long()))
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(1), Duration.ofHours(1)))
            .count()
            .toStream((window, count) -> window.key() + "@" + window.window().start())
            .to("counts", Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    static void app(String client, String state, String guarantee) throws Exception {
        Properties p = new Properties();
        p.putAll(client(client));
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, "clicks-app");
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
        p.put(StreamsConfig.STATE_DIR_CONFIG, state);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), 6000);
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), 500);
        KafkaStreams streams = new KafkaStreams(topology(), p);
        streams.setUncaughtExceptionHandler(e -> {
            System.err.println("a thread is replaced: " + e);
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        while (System.in.read() >= 0) { }
        streams.close(Duration.ofSeconds(20));
    }

    static Map<String, Object> client(String file) {
        Properties p = new Properties();
        try (Reader r = new FileReader(file)) {
            p.load(r);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Map<String, Object> config = new HashMap<>();
        for (String name : p.stringPropertyNames()) config.put(name, p.getProperty(name));
        return config;
    }

    static KafkaConsumer<byte[], byte[]> reader(String client, String topic) {
        Map<String, Object> config = client(client);
        config.put("isolation.level", "read_committed");
        config.put("auto.offset.reset", "earliest");
        KafkaConsumer<byte[], byte[]> c = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < PARTITIONS; i++) all.add(new TopicPartition(topic, i));
        c.assign(all);
        return c;
    }

    static void create(String client) throws Exception {
        try (Admin admin = Admin.create(client(client))) {
            List<NewTopic> all = new ArrayList<>();
            for (String name : List.of("clicks", "profiles", "enriched", "counts")) all.add(new NewTopic(name, PARTITIONS, (short) 1));
            admin.createTopics(all).all().get();
        }
    }

    static <V> KafkaProducer<String, V> producer(String client, Serializer<V> values) {
        Map<String, Object> config = client(client);
        config.put("delivery.timeout.ms", 120000);
        config.put("linger.ms", 5);
        return new KafkaProducer<>(config, new StringSerializer(), values);
    }

    /* Paced, so that kills fall between: about 4000 a second. */
    static void feed(String client, int clicks) {
        try (KafkaProducer<String, Long> p = producer(client, new LongSerializer())) {
            for (int i = 0; i < clicks; i++) {
                p.send(new ProducerRecord<>("clicks", null, BEGIN + i * STEP_MS, "user-" + i % USERS, (long) i), (m, e) -> {
                    if (e != null) System.out.println("not written: " + e);
                });
                if (i % 40 == 39) java.util.concurrent.locks.LockSupport.parkNanos(10_000_000);
            }
            p.flush();
        }
    }

    static void drive(String client, int clicks) throws Exception {
        create(client);
        try (KafkaProducer<String, String> p = producer(client, new StringSerializer())) {
            for (int u = 0; u < USERS; u++) p.send(new ProducerRecord<>("profiles", null, BEGIN - 1, "user-" + u, "name-" + u)).get();
        }
        System.out.println("ready");
        System.in.read();  /* the application runs */
        Thread feeder = new Thread(() -> feed(client, clicks));
        feeder.start();
        int[] seen = new int[clicks];
        int enriched = 0, wrong = 0;
        long deadline = System.nanoTime() + 150_000_000_000L;
        try (KafkaConsumer<byte[], byte[]> c = reader(client, "enriched")) {
            while (enriched < clicks && System.nanoTime() < deadline) {
                for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(200))) {
                    String[] value = new String(r.value()).split(" ");
                    int click = Integer.parseInt(value[0]);
                    if (seen[click]++ == 0) enriched++;
                    if (!value[1].equals("name-" + click % USERS)) wrong++;
                }
                System.out.println("enriched " + enriched);
            }
        }
        feeder.join();
        long counted = counts(client, clicks, deadline);
        int twice = 0, missing = 0;
        for (int n : seen) {
            if (n > 1) twice++;
            if (n == 0) missing++;
        }
        System.out.printf("joined: %d missing, %d twice, %d with another's name; windows that count wrong: %d%n", missing, twice, wrong, counted);
        System.out.println(missing + twice + wrong + counted == 0 ? "exact" : "not exact");
    }

    /* Windows whose last committed count is not the number of clicks in it. */
    static long counts(String client, int clicks, long deadline) {
        Map<String, Long> expected = new HashMap<>(), found = new HashMap<>();
        for (int i = 0; i < clicks; i++)
            expected.merge("group-" + i % GROUPS + "@" + (BEGIN + i * STEP_MS) / 1000 * 1000, 1L, Long::sum);
        try (KafkaConsumer<byte[], byte[]> c = reader(client, "counts")) {
            while (!found.equals(expected) && System.nanoTime() < deadline)
                for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(200)))
                    found.put(new String(r.key()), new LongDeserializer().deserialize(null, r.value()));
        }
        return expected.entrySet().stream().filter(e -> !e.getValue().equals(found.get(e.getKey()))).count()
            + found.keySet().stream().filter(k -> !expected.containsKey(k)).count();
    }

    public static void main(String[] a) throws Exception {
        if (a[0].equals("app")) app(a[1], a[2], a[3]);
        else drive(a[1], Integer.parseInt(a[2]));
        System.exit(0);
    }
}
