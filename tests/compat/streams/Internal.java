/* Internal.java - makes what the internal topics are to show.
 *
 *   Internal.java CLIENT     topic "data" with 2 partitions and 10 records; a member of group "readers" reads and commits
 *                            them; "committing" ends a transaction with an offset of group "copied", "aborting" gives one
 *                            with another offset up, "open" leaves one open
 *
 * Prints "made", then waits to be killed, so that nothing says good-bye. */
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public class Internal {
    static final TopicPartition P0 = new TopicPartition("data", 0), P1 = new TopicPartition("data", 1);

    static KafkaProducer<String, String> begun(String client, String id) throws Exception {
        Map<String, Object> config = Streams.client(client);
        config.put("transactional.id", id);
        config.put("transaction.timeout.ms", 600000);
        KafkaProducer<String, String> p = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
        p.initTransactions();
        p.beginTransaction();
        p.send(new ProducerRecord<>("data", 0, null, id)).get();
        return p;
    }

    static void offsets(KafkaProducer<String, String> p, long offset) {
        p.sendOffsetsToTransaction(Map.of(P0, new OffsetAndMetadata(offset)), new ConsumerGroupMetadata("copied"));
    }

    static void read(String client) throws Exception {
        Map<String, Object> config = Streams.client(client);
        config.putAll(Map.of("group.id", "readers", "client.id", "reader", "auto.offset.reset", "earliest", "enable.auto.commit", false));
        try (KafkaConsumer<byte[], byte[]> c = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            c.subscribe(List.of("data"));
            for (int n = 0; n < 10; ) n += c.poll(Duration.ofMillis(200)).count();
            c.commitSync(Map.of(P0, new OffsetAndMetadata(5, "half"), P1, new OffsetAndMetadata(5, "")));
        }
    }

    public static void main(String[] a) throws Exception {
        try (Admin admin = Admin.create(Streams.client(a[0]))) {
            admin.createTopics(List.of(new NewTopic("data", 2, (short) 1))).all().get();
        }
        try (KafkaProducer<String, String> p = new KafkaProducer<>(Streams.client(a[0]), new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < 10; i++) p.send(new ProducerRecord<>("data", i % 2, null, "" + i)).get();
        }
        read(a[0]);
        KafkaProducer<String, String> committing = begun(a[0], "committing"), aborting = begun(a[0], "aborting");
        offsets(committing, 3);
        committing.commitTransaction();
        offsets(aborting, 4);
        aborting.abortTransaction();
        begun(a[0], "open");
        System.out.println("made");
        System.in.read();
        System.exit(0);
    }
}
